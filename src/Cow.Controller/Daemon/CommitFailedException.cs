// SPDX-License-Identifier: MIT
namespace Cow.Controller.Daemon;

/// <summary>Metadata could not be written: whatever was asked, the device must not be written any more.</summary>
internal sealed class CommitFailedException(Exception cause) : Exception(cause.Message, cause);
