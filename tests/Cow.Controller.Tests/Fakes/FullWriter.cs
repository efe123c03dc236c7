// SPDX-License-Identifier: MIT
using System.Text;
using Cow.DmIoctl;

namespace Cow.Controller.Tests.Fakes;

/// <summary>A file on a disk that is full, as stdout or stderr.</summary>
internal sealed class FullWriter : TextWriter
{
    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value) => throw new IOException("No space left on device", (int)Errno.ENOSPC);
}
