// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>A device that is not up yet: when it is tried, and what is told about it.</summary>
[TestFixture]
internal sealed class PendingTests
{
    private static readonly CreateSpec Spec =
        new("vm1", "/b", "/c", null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, true);

    private static readonly Failure Locked = new(ExitCode.InUse, "/c", "is in use", "stop the machine");

    [Test]
    public void ItIsTriedAtOnceAndThenNowAndThen()
    {
        var pending = new Pending(Spec, state: null);
        Assert.That(pending.IsDue(0), Is.True);
        _ = pending.Failed(Locked, 1_000);
        Assert.That((pending.IsDue(2_000), pending.IsDue(6_000)), Is.EqualTo((false, true)));
        pending.Hurry();
        Assert.That(pending.IsDue(2_000), Is.True);
    }

    [Test]
    public void AReasonIsToldOnce()
    {
        var pending = new Pending(Spec, state: null);
        Assert.That(pending.Failed(Locked, 0), Is.True);
        Assert.That(pending.Failed(Locked with { }, 1), Is.False);
        Assert.That(pending.Failed(Locked with { Reason = "does not exist" }, 2), Is.True);
        Assert.That(pending.Failed(Locked, 3), Is.True);
    }

    [Test]
    public void OneThatWasLeftIsReportedAsFailed()
    {
        var pending = new Pending(Spec, DeviceState.Of(Spec) with { Phase = DevicePhase.Active, Format = "snapshot", Sectors = 100, ChunkSectors = 8 });
        _ = pending.Failed(Locked, 0);
        DeviceReport report = DeviceReports.Make(pending);
        Assert.That(
            (report.Name, report.State, report.Problem, report.Format, report.Sectors),
            Is.EqualTo(("vm1", "failed", "is not served: /c: is in use", "snapshot", 100UL)));
        Assert.That(pending.Refusal().Failure, Is.EqualTo(new Failure(ExitCode.InUse, "vm1", "is not served: /c: is in use", "stop the machine")));
    }

    [Test]
    public void OneWhoseFirstTryDoesNotEndIsReportedAsWaiting()
    {
        var pending = new Pending(Spec, DeviceState.Of(Spec) with { Phase = DevicePhase.Active });
        pending.Tried();
        DeviceReport report = DeviceReports.Make(pending);
        Assert.That((report.State, report.Problem), Is.EqualTo(("waiting", "is not served yet: it is being opened, or what it lies on does not answer")));
        _ = pending.Failed(Locked, 0);
        report = DeviceReports.Make(pending);
        Assert.That((report.State, report.Problem), Is.EqualTo(("failed", "is not served: /c: is in use")));
    }

    [Test]
    public void OneThatIsConfiguredIsReportedAsWaiting()
    {
        var pending = new Pending(Spec, state: null);
        Assert.That((DeviceReports.Make(pending).State, pending.Problem), Is.EqualTo(("waiting", "is not created yet")));
        _ = pending.Failed(Locked with { Object = "vm1" }, 0);
        Assert.That(pending.Problem, Is.EqualTo("is not created: is in use"));
    }
}
