// SPDX-License-Identifier: MIT
using Cow.Controller.Tests.Fakes;
using NUnit.Framework;

namespace Cow.Controller.Tests;

/// <summary>A random history of one device and the model that it is judged by.</summary>
/// <remarks>Tokens only grow, so the newest of two writes to a sector is the larger. No two writes to one sector are in flight together: a disk
/// owes nothing about their order.</remarks>
#pragma warning disable CA1001 // The disks are memory.
internal sealed class History
{
    private const ulong ChunkSectors = 8;
    private const ulong Sectors = (37 * ChunkSectors) + 3;
    private const ulong BaseSectors = Sectors - 5;
    private const int CowBytes = 128 * (int)ChunkSectors * MemoryDisk.SectorBytes;

    // What an image counts as used and a killed controller never used is lost until it is repaired.
    private const int ImageBytes = 16 * CowBytes;

    private readonly string _format;
    private readonly string _label;
    private readonly bool _grants;
    private readonly Random _random;
    private readonly ulong[] _completed = [.. BaseTokens];
    private readonly ulong[] _durable = [.. BaseTokens];
    private readonly HashSet<ulong>[] _issued = [.. BaseTokens.Select(token => new HashSet<ulong> { token })];
    private readonly List<FakeBio> _writes = [];
    private readonly List<(FakeBio Bio, ulong[] Before)> _reads = [];
    private readonly List<(FakeBio Bio, ulong[] Before)> _flushes = [];
    private readonly MemoryDisk _base = MemoryDisk.Stamped("base", BaseSectors, firstToken: 1);
    private MemoryDisk _cow;
    private FakeKernel _kernel;
    private FakeController _controller;
    private ulong _token = BaseSectors;

    public History(string format, int seed, bool grants = false)
    {
        _format = format;
        _grants = grants;
        _label = $"format {format}, seed {seed}{(grants ? ", grants" : "")}";
        _random = new Random(seed);
        _cow = new MemoryDisk("cow", format == "qcow2" ? ImageBytes : CowBytes);
        _kernel = new FakeKernel(Sectors, ChunkSectors, _base, _cow);
        _controller = Open(create: true);
    }

    public void Run(int steps, bool kills)
    {
        Steps(steps, kills);
        Settle();
    }

    /// <summary>Goes on for a while and stops in the middle of everything.</summary>
    public void Steps(int steps, bool kills)
    {
        for (int i = 0; i < steps; i++)
        {
            Step(kills);
            Judge();
        }
    }

    /// <summary>The machine stops. What any flush acknowledged must be found by whoever opens the store next.</summary>
    public void CutPower()
    {
        _cow = _cow.AfterPowerCut(_random);
        _kernel = new FakeKernel(Sectors, ChunkSectors, _base, _cow);
        _writes.Clear();
        _reads.Clear();
        _flushes.Clear();
        _controller = Open(create: false);
        FakeBio all = _kernel.Read(0, Sectors);
        for (int turn = 0; turn < 200 && !all.Done; turn++)
        {
            _controller.Turn();
        }

        Assert.That(all.Done, Is.True, $"{_label}: nobody answers after the power cut");
        for (ulong sector = 0; sector < Sectors; sector++)
        {
            ulong found = all.Result[sector];
            Assert.That(
                IsLegal(sector, found, _durable[sector]), Is.True, $"{_label}: sector {sector} holds {found} after a power cut, {_durable[sector]} was acknowledged");
            _durable[sector] = _completed[sector] = found;
            // What was lost comes back no more.
            _issued[sector] = [found];
        }
    }

    /// <summary>What each sector holds before the first write. Behind the base's end it is nothing.</summary>
    private static IEnumerable<ulong> BaseTokens => Enumerable.Range(0, (int)Sectors).Select(sector => (ulong)sector < BaseSectors ? (ulong)sector + 1 : 0);

    /// <summary>The machine comes up again after an orderly end: the kernel knows of no chunk, and is used at once.</summary>
    public void Restart()
    {
        Settle();
        _kernel.Remove();
        _controller.Turns(3);
        Assert.That((_kernel.Uncommitted, _controller.Engine.Gone), Is.EqualTo((0, true)), _label);
        _completed.CopyTo(_durable, 0);
        _kernel = new FakeKernel(Sectors, ChunkSectors, _base, _cow);
        _controller = Open(create: false);
    }

    private FakeController Open(bool create) => new(_kernel, _format, create, waitForSpace: true, _grants, _base, _cow);

    private int Waiting => _writes.Count + _reads.Count + _flushes.Count;

    /// <summary>First writes that asked nobody.</summary>
    public int Taken => _kernel.Taken;

    private void Step(bool kills)
    {
        switch (_random.Next(kills ? 14 : 12))
        {
            case < 3:
                Write();
                break;
            case 3:
                Read();
                break;
            case 4:
                _flushes.Add((_kernel.Flush(), [.. _completed]));
                break;
            case 5 or 6:
                EndCopy();
                break;
            case 7 when _random.Next(4) == 0:
                _kernel.SwapTable();
                break;
            case 7 when _grants && _random.Next(6) == 0:
                _ = _controller.Ask((engine, replies) => engine.Grants.Reclaim(replies));
                break;
            case 8 when _kernel.DeviceFlushes > 0:
                _kernel.EndDeviceFlush();
                break;
            case 12:
                _controller.Switch.KillAfter(_random.Next(6));
                break;
            case 13:
                Replace();
                break;
            default:
                _controller.Turn();
                break;
        }
    }

    private void Write()
    {
        ulong sector = (ulong)_random.NextInt64((long)Sectors);
        ulong count = Math.Min((ulong)_random.Next(1, 4 * (int)ChunkSectors), Sectors - sector);
        bool overlaps = _writes.Exists(write => sector < write.Sector + write.Count && write.Sector < sector + count);
        if (overlaps)
        {
            return;
        }

        ulong token = ++_token;
        for (ulong i = sector; i < sector + count; i++)
        {
            _ = _issued[i].Add(token);
        }

        _writes.Add(_kernel.Write(sector, count, token));
    }

    private void Read()
    {
        ulong sector = (ulong)_random.NextInt64((long)Sectors);
        ulong count = Math.Min((ulong)_random.Next(1, 2 * (int)ChunkSectors), Sectors - sector);
        _reads.Add((_kernel.Read(sector, count), _completed[(int)sector..(int)(sector + count)]));
    }

    private void EndCopy()
    {
        if (_kernel.Copies > 0)
        {
            _kernel.EndCopy(_random.Next(_kernel.Copies), failWriting: false);
        }
    }

    /// <summary>A successor attaches, whether or not the one before is dead; if it lives, it is fenced by being killed first.</summary>
    private void Replace()
    {
        _controller.Switch.Kill();
        _controller = Open(create: false);
    }

    private void Judge()
    {
        foreach (FakeBio write in _writes.FindAll(write => write.Done))
        {
            _ = _writes.Remove(write);
            Assert.That(write.Failed, Is.False, $"{_label}: a write failed");
            _completed.AsSpan((int)write.Sector, (int)write.Count).Fill(write.Token);
        }

        foreach ((FakeBio read, ulong[] before) in _reads.FindAll(read => read.Bio.Done))
        {
            _reads.RemoveAll(entry => entry.Bio == read);
            Assert.That(read.Failed, Is.False, $"{_label}: a read failed");
            for (int i = 0; i < before.Length; i++)
            {
                ulong sector = read.Sector + (ulong)i;
                Assert.That(IsLegal(sector, read.Result[i], before[i]), Is.True, $"{_label}: sector {sector} reads {read.Result[i]}, not {before[i]}");
            }
        }

        foreach ((FakeBio flush, ulong[] before) in _flushes.FindAll(flush => flush.Bio.Done))
        {
            _flushes.RemoveAll(entry => entry.Bio == flush);
            Assert.That(flush.Failed, Is.False, $"{_label}: a flush failed");
            for (int i = 0; i < before.Length; i++)
            {
                _durable[i] = Math.Max(_durable[i], before[i]);
            }
        }

        Assert.That(_kernel.Violations, Is.Empty, _label);
        Assert.That(_kernel.ReadOnly, Is.False, $"{_label}: {_controller.Engine.Status.Problem}");
    }

    /// <summary>A sector may hold what it must at least, or what was written to it since.</summary>
    private bool IsLegal(ulong sector, ulong found, ulong least) => found >= least && _issued[sector].Contains(found);

    /// <summary>Everything that waits is answered in the end, and reads what was written.</summary>
    private void Settle()
    {
        if (_controller.Switch.Dead)
        {
            Replace();
        }

        _controller.Switch.KillAfter(int.MaxValue);
        FakeBio all = _kernel.Read(0, Sectors);
        for (int turn = 0; turn < 400 && (Waiting > 0 || !all.Done || _kernel.Copies > 0); turn++)
        {
            _controller.Turn();
            EndCopy();
            if (_kernel.DeviceFlushes > 0)
            {
                _kernel.EndDeviceFlush();
            }

            Judge();
        }

        Assert.That(Waiting + (all.Done ? 0 : 1), Is.Zero, $"{_label}: something waits for ever; {_controller.Engine.Status.Problem}");
        FakeBio again = _kernel.Read(0, Sectors);
        Assert.That(again.Result, Is.EqualTo(_completed), _label);
        Assert.That(_controller.Engine.Status.Problem, Is.Null, _label);
    }
}
