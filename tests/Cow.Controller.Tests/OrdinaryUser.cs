// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>Until it is disposed, this thread alone may no more with files than an ordinary user: setfsuid(2). Only for code that stays on it.</summary>
internal sealed partial class OrdinaryUser : IDisposable
{
    private const int Nobody = 65534;

    public OrdinaryUser()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Assert.Ignore("only root can become somebody else");
        }

        _ = SetGroup(Nobody);
        _ = SetUser(Nobody);
    }

    public void Dispose()
    {
        _ = SetUser(0);
        _ = SetGroup(0);
    }

    [LibraryImport("libc", EntryPoint = "setfsuid")]
    private static partial int SetUser(int id);

    [LibraryImport("libc", EntryPoint = "setfsgid")]
    private static partial int SetGroup(int id);
}
