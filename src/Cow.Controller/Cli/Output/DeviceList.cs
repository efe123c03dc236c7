// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Output;

/// <summary>The JSON of <c>list</c> and <c>status</c>: an object, so that it can gain fields.</summary>
internal sealed record DeviceList(IReadOnlyList<DeviceReport> Devices);
