// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Images;

namespace Cow.Controller.Cli.Convert;

/// <summary>What <c>cowctl convert</c> is asked for.</summary>
/// <param name="Source">The image, read with all that it is backed by.</param>
/// <param name="Destination">Full path of the new image, or of a device.</param>
/// <param name="Format">Its format.</param>
/// <param name="Compress">Chunks are compressed.</param>
/// <param name="Settings">Further settings of the format, as qemu-img's -o knows them.</param>
/// <param name="Force">Also over what is there.</param>
/// <param name="Threads">How many read, compress and write.</param>
internal sealed record ConvertSpec(
    ImageSpec Source, string Destination, string Format, bool Compress, IReadOnlyDictionary<string, string> Settings, bool Force, int Threads);
