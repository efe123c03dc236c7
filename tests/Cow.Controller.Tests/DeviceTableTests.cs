// SPDX-License-Identifier: MIT
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using NUnit.Framework;

namespace Cow.Controller.Tests;

[TestFixture]
internal sealed class DeviceTableTests
{
    private static readonly Dictionary<string, string> Numbers = new() { ["/b"] = "7:0", ["/c"] = "7:1", ["/d"] = "7:2", ["/l"] = "7:3" };

    private static readonly DeviceTable Table = Make("/l", "/d");

    [Test]
    public void ATableComesBackAsItWasLoaded()
    {
        List<PlannedLine> lines = [new(0, 64, Linear: false, 0, 0), new(64, 32, Linear: true, 0, 1024), new(96, 32, Linear: true, 1, 8)];
        List<TargetLine> kernel = Table.ToKernel(lines);
        Assert.That(kernel[0].Parameters, Is.EqualTo("vm1 7:0 7:1 8 4 layer 7:3 data 7:2"));
        Assert.That(Table.FromKernel(kernel), Is.EqualTo(lines));
        Assert.That(Table.IsOthers(kernel), Is.False);
    }

    [TestCase("vm1 7:0 7:9 8 4 layer 7:3 data 7:2", TestName = "ALineWithAnotherCowDeviceIsNotOurs")]
    [TestCase("vm1 7:9 7:1 8 4 layer 7:3 data 7:2", TestName = "ALineWithAnotherBaseIsNotOurs")]
    [TestCase("vm1 7:0 7:1 8 4 layer 7:3 data 7:9", TestName = "ALineWithAnotherDataDeviceIsNotOurs")]
    [TestCase("vm1 7:0 7:1 16 4 layer 7:3 data 7:2", TestName = "ALineWithAnotherChunkIsNotOurs")]
    [TestCase("vm1 7:0 7:1 8", TestName = "ALineWithoutTheLayersIsNotOurs")]
    public void IsNotOurs(string parameters)
    {
        TargetLine[] lines = [new(new Sectors(0), new Sectors(128), "cow", parameters)];
        Assert.That(Table.FromKernel(lines), Is.Null);
        Assert.That(Table.IsOthers(lines));
    }

    [Test]
    public void WhoTellsALineWhatToDoWithoutAControllerHasItServed()
    {
        TargetLine[] lines = [new(new Sectors(0), new Sectors(128), "cow", "vm1 7:0 7:1 8 7 layer 7:3 data 7:2 no_controller error 5")];
        Assert.That(Table.FromKernel(lines), Is.EqualTo(new PlannedLine[] { new(0, 128, Linear: false, 0, 0) }));
        Assert.That(Table.IsOthers(lines), Is.False);
    }

    /// <summary>It is not undone by the next swap, nor forgotten while all lines are linear.</summary>
    [Test]
    public void WhatATableWasToldToDoWithoutAControllerTheNextOneDoes()
    {
        DeviceTable table = Make("/l", "/d");
        PlannedLine[] cow = [new(0, 128, Linear: false, 0, 0)];
        PlannedLine[] linear = [new(0, 128, Linear: true, 0, 1024)];
        Assert.That(After("vm1 7:0 7:1 8 7 layer 7:3 data 7:2 no_controller error 5"), Is.EqualTo("vm1 7:0 7:1 8 7 layer 7:3 data 7:2 no_controller error 5"));
        table.Follow(table.ToKernel(linear));
        Assert.That(table.ToKernel(cow)[0].Parameters, Does.EndWith("no_controller error 5"));
        Assert.That(After("vm1 7:9 7:1 8 7 layer 7:3 data 7:2 no_controller wait"), Does.EndWith("no_controller error 5"), "of another device");
        Assert.That(After("vm1 7:0 7:1 8 4 layer 7:3 data 7:2"), Is.EqualTo("vm1 7:0 7:1 8 4 layer 7:3 data 7:2"));
        table = Make();
        Assert.That(After("vm1 7:0 7:1 8 2 no_controller error"), Is.EqualTo("vm1 7:0 7:1 8 2 no_controller error"));
        Assert.That(After("vm1 7:0 7:1 8"), Is.EqualTo("vm1 7:0 7:1 8"));

        string After(string live)
        {
            table.Follow([new(new Sectors(0), new Sectors(128), "cow", live)]);
            return table.ToKernel(cow)[0].Parameters;
        }
    }

    [Test]
    public void ALineOfAnotherKindIsNeitherOursNorServedByUs()
    {
        TargetLine[] lines = [new(new Sectors(0), new Sectors(128), "linear", "7:9 0")];
        Assert.That(Table.FromKernel(lines), Is.Null);
        Assert.That(Table.IsOthers(lines), Is.False);
    }

    private static DeviceTable Make(string? layer = null, string? data = null) => new(
        DeviceState.Of(new CreateSpec("vm1", "/b", "/c", null, null, null, [], null, null, NoSpacePolicy.Wait, false, false, true)) with
        {
            Sectors = 128,
            ChunkSectors = 8,
            BaseDevice = "/b",
            CowDevice = "/c",
            LayerDevices = layer is null ? [] : [layer],
            DataDevices = data is null ? [] : [data],
        },
        path => Numbers[path]);
}
