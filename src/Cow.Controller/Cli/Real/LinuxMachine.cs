// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Doctor;
using Cow.Controller.Cli.Tables;
using Cow.Controller.Daemon;
using Cow.DmIoctl;

namespace Cow.Controller.Cli.Real;

/// <summary>The machine that cowctl runs on.</summary>
internal sealed class LinuxMachine(DaemonPaths paths) : IMachine
{
    private static readonly string[] OurTargets = ["cow", "userspace"];

    public bool IsRoot => Environment.IsPrivilegedProcess;

    public IReadOnlyList<TableLine>? Table(string name)
    {
        using DmControl? control = OpenControl();
        if (control is null)
        {
            // Without device-mapper there are no mapped devices.
            return null;
        }

        DmName known = new(name);
        return control.Find(known) is null ? null : Lines(control, known);
    }

    public string? NameOf(string deviceNumber) => BlockDevices.NameOf(deviceNumber);

    public MachineFacts Examine()
    {
        IReadOnlyList<IdentFact> idents = MachineState.Idents(out string? problem);
        using DmControl? control = OpenControl();
        return new MachineFacts(
            KernelModule.KernelRelease,
            control is null ? null : Version(control),
            KernelModule.IsLoaded,
            problem,
            control is null ? [] : [.. Targets(control)],
            control is null ? [] : [.. Mapped(control.List(), name => Lines(control, name))],
            idents,
            [.. BlockDevices.LostLoops()],
            [.. MachineState.StateFiles(paths)])
        {
            NotAtBoot = DaemonUnit.IsThere && !DaemonUnit.IsEnabled ? [.. MachineState.Configurations(paths)] : [],
        };
    }

    // The node may be there without the driver.
    private static DmControl? OpenControl()
    {
        try
        {
            return DmControl.Open();
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENODEV or Errno.ENXIO)
        {
            return null;
        }
    }

    private static string Version(DmControl control)
    {
        (uint major, uint minor, uint patch) = control.Version();
        return $"{major}.{minor}.{patch}";
    }

    private static IEnumerable<TargetFact> Targets(DmControl control) => control.Targets()
        .Where(static target => OurTargets.Contains(target.Name))
        .Select(static target => new TargetFact(target.Name, $"{target.Major}.{target.Minor}.{target.Patch}"));

    /// <summary>Those that may be the business of a daemon. Who has <c>userspace</c> lines has a controller of his own.</summary>
    /// <param name="all">All mapped devices.</param>
    /// <param name="table">Gives the table of one.</param>
    internal static IEnumerable<MappedFact> Mapped(IEnumerable<DmListEntry> all, Func<DmName, IReadOnlyList<TableLine>> table)
    {
        foreach (DmListEntry entry in all)
        {
            if (MappedDevice.NameOf(entry.Uuid) is { } device)
            {
                yield return new MappedFact(entry.Name, device, []);
            }
            else if (DmName.TryParse(entry.Name, out DmName? name) && Idents(table(name)) is { Count: > 0 } idents)
            {
                // Names that others gave may be such as we never give.
                yield return new MappedFact(entry.Name, null, idents);
            }
        }
    }

    private static List<string> Idents(IReadOnlyList<TableLine> lines) =>
        [.. lines.Where(static line => line.Target == "cow").Select(static line => line.Arguments.Split(' ')[0]).Distinct()];

    private static IReadOnlyList<TableLine> Lines(DmControl control, DmName name)
    {
        try
        {
            return [.. control.Table(name).Select(
                static line => new TableLine(line.Start.Value, line.Length.Value, line.Type, line.Parameters))];
        }
        catch (LinuxException e) when (e.Errno == Errno.ENXIO)
        {
            // Removed since it was listed.
            return [];
        }
    }
}
