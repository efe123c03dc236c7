// SPDX-License-Identifier: MIT
using System.Text.Json.Serialization;
using Cow.Controller.Daemon;

namespace Cow.Controller.Ipc;

/// <summary>Everything that is written as JSON: lines on the socket and the daemon's own files. Source-generated, so no reflection at run time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(Request))]
[JsonSerializable(typeof(Response))]
[JsonSerializable(typeof(CreateSpec))]
[JsonSerializable(typeof(DeviceState))]
[JsonSerializable(typeof(BaseFingerprint))]
internal sealed partial class JsonContext : JsonSerializerContext;
