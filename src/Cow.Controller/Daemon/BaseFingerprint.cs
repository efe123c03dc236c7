// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>What a base looked like when its overlay was made: an overlay on another base is garbage.</summary>
/// <param name="Base">Path, for the message.</param>
/// <param name="Bytes">Size.</param>
/// <param name="Samples">Checksums of some blocks.</param>
internal sealed record BaseFingerprint(string Base, long Bytes, IReadOnlyList<FingerprintSample> Samples);
