// SPDX-License-Identifier: MIT
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>One call of the device-mapper, with the flags that it takes.</summary>
/// <param name="Request">The ioctl.</param>
/// <param name="Name">What linux/dm-ioctl.h calls it.</param>
/// <param name="Allowed">Flags with a meaning in it; others are a mistake of ours and are not sent.</param>
internal readonly record struct DmCommand(uint Request, string Name, DmFlags Allowed)
{
    private const DmFlags QuickFlags = DmFlags.NoFlush | DmFlags.SkipLockFs;

    public static readonly DmCommand Version = new(DmNumbers.Version, "DM_VERSION", DmFlags.None);
    public static readonly DmCommand ListDevices = new(DmNumbers.ListDevices, "DM_LIST_DEVICES", DmFlags.Uuid);
    public static readonly DmCommand ListVersions = new(DmNumbers.ListVersions, "DM_LIST_VERSIONS", DmFlags.None);
    public static readonly DmCommand Create = new(DmNumbers.DevCreate, "DM_DEV_CREATE", DmFlags.None);
    public static readonly DmCommand Remove = new(DmNumbers.DevRemove, "DM_DEV_REMOVE", DmFlags.DeferredRemove);
    public static readonly DmCommand Suspend =
        new(DmNumbers.DevSuspend, "DM_DEV_SUSPEND", DmFlags.Suspend | QuickFlags);
    public static readonly DmCommand Resume = new(DmNumbers.DevSuspend, "DM_DEV_SUSPEND (resume)", QuickFlags);
    public static readonly DmCommand Info = new(DmNumbers.DevStatus, "DM_DEV_STATUS", DmFlags.None);
    public static readonly DmCommand Wait = new(DmNumbers.DevWait, "DM_DEV_WAIT", DmFlags.NoFlush);
    public static readonly DmCommand Load = new(DmNumbers.TableLoad, "DM_TABLE_LOAD", DmFlags.ReadOnly);
    public static readonly DmCommand Clear = new(DmNumbers.TableClear, "DM_TABLE_CLEAR", DmFlags.None);
    public static readonly DmCommand Deps = new(DmNumbers.TableDeps, "DM_TABLE_DEPS", DmFlags.None);
    public static readonly DmCommand Status = new(DmNumbers.TableStatus, "DM_TABLE_STATUS",
        DmFlags.NoFlush | DmFlags.StatusTable | DmFlags.QueryInactive);
    public static readonly DmCommand Message = new(DmNumbers.TargetMsg, "DM_TARGET_MSG", DmFlags.None);
}
