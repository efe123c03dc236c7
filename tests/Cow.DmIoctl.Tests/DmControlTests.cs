// SPDX-License-Identifier: MIT
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>The device-mapper of this machine, with targets that every kernel has. Devices end in _cowtest_delme.</summary>
[Category("Root")]
[NonParallelizable]
internal sealed class DmControlTests
{
    private const string Suffix = "_cowtest_delme";
    private const SuspendFlags Quick = SuspendFlags.Quick;
    private static readonly DmName Name = new("one" + Suffix);
    private static readonly DmUuid Uuid = new("COWTEST-1");
    private static readonly TargetLine[] Error = [TargetLine.Parse("0 2048 error")];
    private DmControl _dm = null!;

    [SetUp]
    public void NeedTheDeviceMapper()
    {
        try
        {
            _dm = DmControl.Open();
            _dm.Version();
        }
        catch (LinuxException e)
        {
            Assert.Ignore($"no device-mapper here: {e.Message}");
        }

        Sweep();
    }

    [TearDown]
    public void RemoveDevices()
    {
        if (_dm is not null)
        {
            Sweep();
            _dm.Dispose();
        }
    }

    [Test]
    public void TheKernelTellsItsVersionAndTargets()
    {
        Assert.That(_dm.Version().Major, Is.EqualTo(4));
        Assert.That(_dm.Targets().Select(target => target.Name), Does.Contain("linear").And.Contain("error"));
    }

    [Test]
    public void ADeviceHasItsNodeAsLongAsItLives()
    {
        var created = _dm.Create(Name, Uuid);
        Assert.That(created.HasLiveTable, Is.False);
        _dm.Load(Name, Error, readOnly: false);
        Assert.That(_dm.Find(Name)!.HasInactiveTable, Is.True);
        var live = _dm.Resume(Name, Quick);
        Assert.That((live.Name, live.Uuid, live.HasLiveTable, live.HasInactiveTable, live.IsSuspended),
            Is.EqualTo((Name.Value, Uuid.Value, true, false, false)));
        Assert.That(BlockDevice.NumberOf(Name.NodePath), Is.EqualTo(created.Number));
        Assert.That(BlockDevice.PathOf(created.Number), Is.EqualTo(Name.NodePath));
        _dm.Remove(Name);
        Assert.That(_dm.Find(Name), Is.Null);
        Assert.That(FileStatus.Find(Name.NodePath, follow: false), Is.Null);
    }

    [Test]
    public void TheListTellsNameNumberAndUuid()
    {
        var created = _dm.Create(Name, Uuid);
        _dm.Create(new DmName("two" + Suffix), null);
        Assert.That(_dm.List(), Does.Contain(new DmListEntry(Name.Value, created.Number, 0, Uuid.Value)));
        Assert.That(_dm.List().Single(entry => entry.Name == "two" + Suffix).Uuid, Is.Null);
    }

    [Test]
    public void WhatAUuidFindsIsAllThatANameDoes()
    {
        _dm.Create(Name, Uuid);
        Assert.That(() => _dm.Create(new DmName("two" + Suffix), Uuid), Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.EBUSY));
        _dm.Load(Uuid, Error, readOnly: false);
        _dm.Resume(Uuid, Quick);
        Assert.That(BlockDevice.NumberOf(Name.NodePath), Is.EqualTo(_dm.Find(Uuid)!.Number));
        Assert.That((_dm.Table(Uuid), _dm.Find(Uuid)!.Name), Is.EqualTo((Error, Name.Value)));
        _dm.Remove(Uuid);
        Assert.That(_dm.Find(Uuid), Is.Null);
        Assert.That(FileStatus.Find(Name.NodePath, follow: false), Is.Null);
    }

    [Test]
    public void TablesAreReadBackFromBothSlots()
    {
        Live(Error);
        TargetLine[] next = [TargetLine.Parse("0 8 error"), TargetLine.Parse("8 2040 error")];
        Assert.That(_dm.Table(Name, inactive: true), Is.Empty);
        _dm.Load(Name, next, readOnly: false);
        Assert.That(_dm.Table(Name), Is.EqualTo(Error));
        Assert.That(_dm.Table(Name, inactive: true), Is.EqualTo(next));
        Assert.That(_dm.Clear(Name).HasInactiveTable, Is.False);
        Assert.That(_dm.Table(Name, inactive: true), Is.Empty);
        Assert.That(_dm.Status(Name), Has.Count.EqualTo(1));
    }

    [Test]
    public void ADeviceWithoutATableHasNoLines()
    {
        _dm.Create(Name, null);
        Assert.That(_dm.Table(Name), Is.Empty);
        Assert.That(_dm.Status(Name), Is.Empty);
        Assert.That(_dm.Deps(Name), Is.Empty);
    }

    [Test]
    public void ASuspendedDeviceSaysSo()
    {
        Live(Error);
        Assert.That(_dm.Suspend(Name, Quick).IsSuspended, Is.True);
        Assert.That(_dm.Resume(Name, Quick, waitForNode: false).IsSuspended, Is.False);
    }

    [Test]
    public void AReadOnlyTableMakesAReadOnlyDevice()
    {
        _dm.Create(Name, null);
        _dm.Load(Name, Error, readOnly: true);
        Assert.That(_dm.Resume(Name, Quick).IsReadOnly, Is.True);
    }

    [Test]
    public void ALinearLineHasItsDeviceAsDependency()
    {
        Live(Error);
        var upper = new DmName("two" + Suffix);
        var lower = _dm.Find(Name)!.Number;
        _dm.Create(upper, null);
        _dm.Load(upper, [TargetLine.Parse($"0 1024 linear {lower} 512")], readOnly: false);
        var live = _dm.Resume(upper, Quick);
        Assert.That(_dm.Deps(upper), Is.EqualTo(new[] { lower }));
        Assert.That(BlockDevice.Holders(lower), Is.EqualTo(new[] { live.Number }));
        Assert.That(_dm.Table(upper)[0].ToString(), Is.EqualTo($"0 1024 linear {lower} 512"));
    }

    [Test]
    public void ATableOfTwentyThousandLinesIsReadBack()
    {
        var lines = Enumerable.Range(0, 20_000)
            .Select(i => new TargetLine(new Sectors((ulong)i * 8), new Sectors(8), "error", "")).ToList();
        Live(lines);
        Assert.That(_dm.Table(Name), Is.EqualTo(lines));
        Assert.That(_dm.Find(Name)!.TargetCount, Is.EqualTo(20_000));
    }

    [Test]
    public void ATakenNameIsBusy()
    {
        _dm.Create(Name, null);
        Assert.That(() => _dm.Create(Name, null), Throws.TypeOf<LinuxException>()
            .With.Property("Errno").EqualTo(Errno.EBUSY).And.Property("Headers").Contains(Name.Value)
            .And.Message.StartsWith(Name.Value + ": DM_DEV_CREATE: "));
    }

    [Test]
    public void ATableThatTheKernelRefusesLeavesTheLiveOne()
    {
        Live(Error);
        Assert.That(() => _dm.Load(Name, [TargetLine.Parse("0 8 linear nonsense 0")], false),
            Throws.TypeOf<LinuxException>());
        Assert.That(_dm.Table(Name), Is.EqualTo(Error));
    }

    [Test]
    public void ADeviceInUseIsBusyOrRemovedLater()
    {
        Live(Error);
        using (FileOpen.Open(Name.NodePath, Abi.FileNumbers.ReadOnly))
        {
            Assert.That(() => _dm.Remove(Name, busyTries: 2),
                Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.EBUSY));
            Assert.That(_dm.Find(Name)!.OpenCount, Is.EqualTo(1));
            _dm.Remove(Name, deferred: true);
            Assert.That(_dm.Find(Name)!.IsDeferredRemove, Is.True);
        }

        Assert.That(() => _dm.Find(Name), Is.Null.After(5000, 50));
    }

    [Test]
    public void WhatIsNotThereIsAnError()
    {
        Assert.That(_dm.Find(Name), Is.Null);
        Assert.That(() => _dm.Remove(Name),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.ENXIO));
        Assert.That(() => _dm.Status(Name),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.ENXIO));
    }

    // Statistics are the messages that every target takes.
    [Test]
    public void AMessageMayHaveAnAnswer()
    {
        Live(Error);
        Assert.That(_dm.Message(Name, Sectors.Zero, "@stats_create - /1"), Is.EqualTo("0"));
        Assert.That(_dm.Message(Name, Sectors.Zero, "@stats_delete 0"), Is.Null);
        Assert.That(() => _dm.Message(Name, Sectors.Zero, "nonsense"),
            Throws.TypeOf<LinuxException>().With.Property("Errno").EqualTo(Errno.EINVAL));
    }

    [Test]
    public void RemovingADeviceEndsTheWaitForItsEvents()
    {
        Live(Error);
        uint seen = _dm.Find(Name)!.EventNr;
        uint after = seen;
        var waiter = new Thread(() => after = _dm.WaitEvent(Name, seen));
        waiter.Start();
        Thread.Sleep(200);
        _dm.Remove(Name);
        Assert.That(waiter.Join(20_000), Is.True);
        Assert.That(after, Is.GreaterThan(seen));
    }

    private void Live(IReadOnlyList<TargetLine> lines)
    {
        _dm.Create(Name, null);
        _dm.Load(Name, lines, readOnly: false);
        _dm.Resume(Name, Quick);
    }

    private void Sweep()
    {
        foreach (var entry in _dm.List().Where(entry => entry.Name.EndsWith(Suffix, StringComparison.Ordinal)).Reverse())
        {
            _dm.Remove(new DmName(entry.Name));
        }
    }
}
