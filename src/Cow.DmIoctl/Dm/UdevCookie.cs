// SPDX-License-Identifier: MIT
using System.Diagnostics;
using System.Security.Cryptography;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>
/// Waits until udev has worked on one change. A cookie is the low half of the key of a System V semaphore; it travels
/// in event_nr of the ioctl, comes back to the udev rules as DM_COOKIE, and <c>dmsetup udevcomplete</c> counts the
/// semaphore down. Numbers: DM_COOKIE_MAGIC and DM_UDEV_FLAGS_SHIFT of libdevmapper.h.
/// One thread; disposing removes the semaphore.
/// </summary>
internal sealed class UdevCookie : IDisposable
{
    /// <summary>The high half of the semaphore's key.</summary>
    public const ushort Magic = 0x0d4d;

    /// <summary>How long udev may take.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private const int FlagsShift = 16;
    private const int OwnerOnly = 0x180; // 0600
    private int _semaphore = -1;

    private UdevCookie(ushort cookie, int semaphore)
    {
        EventNr = Compose(cookie, UdevFlags.PrimarySource);
        _semaphore = semaphore;
    }

    /// <summary>What the ioctl takes in event_nr.</summary>
    public uint EventNr { get; }

    /// <summary>Somebody will be waited for.</summary>
    public bool IsArmed => _semaphore >= 0;

    /// <summary>udev runs, and the caller did not say otherwise by DM_DISABLE_UDEV.</summary>
    public static bool UdevRuns => File.Exists("/run/udev/control")
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DM_DISABLE_UDEV"));

    /// <summary>A cookie for one change that nobody waits for: udev knows whom it comes from.</summary>
    public static UdevCookie Unarmed() => new(0, -1);

    /// <summary>A cookie for one change. Where no semaphore is to be had nobody waits.</summary>
    public static UdevCookie Arm()
    {
        while (true)
        {
            ushort cookie = (ushort)RandomNumberGenerator.GetInt32(1, 0x10000);
            int semaphore = LibC.SemGet(Key(cookie), 1, SemNumbers.Create | SemNumbers.Exclusive | OwnerOnly);
            if (semaphore >= 0)
            {
                Syscall.Check(LibC.SemCtl(semaphore, 0, SemNumbers.SetValue, 1), "semctl", "udev cookie");
                return new UdevCookie(cookie, semaphore);
            }

            if (Syscall.LastError != Errno.EEXIST)
            {
                return Unarmed();
            }
        }
    }

    /// <summary>event_nr of a cookie.</summary>
    /// <param name="cookie">The low half.</param>
    /// <param name="flags">The high half.</param>
    public static uint Compose(ushort cookie, UdevFlags flags) => ((uint)flags << FlagsShift) | cookie;

    /// <summary>The key of a cookie's semaphore.</summary>
    /// <param name="cookie">Not 0.</param>
    public static int Key(ushort cookie) => (Magic << FlagsShift) | cookie;

    /// <summary>Waits until udev has counted the semaphore down to zero.</summary>
    /// <param name="limit">For so long.</param>
    /// <returns>False where it did not.</returns>
    public unsafe bool Wait(TimeSpan limit)
    {
        if (!IsArmed)
        {
            return true;
        }

        var clock = Stopwatch.StartNew();
        var untilZero = default(SemBuf);
        int result;
        do
        {
            var left = limit - clock.Elapsed;
            left = left < TimeSpan.Zero ? TimeSpan.Zero : left;
            var timeout = new TimeSpec
            {
                Seconds = (long)left.TotalSeconds,
                Nanoseconds = left.Ticks % TimeSpan.TicksPerSecond * TimeSpan.NanosecondsPerTick,
            };
            result = LibC.SemTimedOp(_semaphore, &untilZero, 1, &timeout);
        }
        while (Syscall.Interrupted(result));
        return result >= 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (IsArmed)
        {
            _ = LibC.SemCtl(_semaphore, 0, SemNumbers.Remove, 0);
            _semaphore = -1;
        }
    }
}
