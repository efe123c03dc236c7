// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>What tests with loop devices need.</summary>
internal static class LoopDevices
{
    /// <summary>Skips the test where there can be none. Where there can be, it shows that they work.</summary>
    public static void Require()
    {
        if (!Environment.IsPrivilegedProcess || !File.Exists("/dev/loop-control"))
        {
            Assert.Ignore("only root attaches loop devices, and only where there is /dev/loop-control");
        }
    }
}
