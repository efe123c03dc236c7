// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>What a device tells cowctl, put together from its parts.</summary>
internal static class DeviceReports
{
    public static DeviceReport Make(
        DeviceState state, DeviceRuntime runtime, Collapse collapse, in EngineStatus engine, in KernelCounters kernel, bool lost, string? problem) => new(
        Name: state.Spec.Name,
        State: lost ? "failed" : state.Phase == DevicePhase.Removing ? "removing" : "active",
        Format: state.Format ?? "",
        Base: state.Spec.Base,
        Cow: state.Spec.Cow,
        Sectors: state.Sectors,
        ChunkSectors: state.ChunkSectors,
        TotalChunks: runtime.Geometry.Chunks,
        PlacedChunks: engine.PlacedChunks,
        UncommittedChunks: engine.UncommittedChunks,
        CollapsedChunks: collapse.CollapsedChunks,
        UsedBytes: engine.UsedBytes,
        CapacityBytes: engine.CapacityBytes,
        FaultsServed: Math.Max(engine.Faults, kernel.Served),
        FaultsOutstanding: kernel.Outstanding,
        OldestFaultMilliseconds: kernel.OldestMilliseconds,
        Copies: kernel.Copies,
        CopiesSkipped: kernel.Skipped,
        Errors: engine.Errors + kernel.Errors,
        KernelMapBytes: kernel.MapBytes,
        TableLines: collapse.Lines,
        SegmentBudget: collapse.Segments,
        NoSpace: state.Spec.NoSpace == NoSpacePolicy.Wait ? "wait" : "error",
        WaitingForSpace: engine.WaitingForSpace,
        Mode: Mode(engine, kernel),
        Problem: problem,
        AttachMilliseconds: runtime.AttachMilliseconds,
        LongestReloadMilliseconds: collapse.LongestPauseMilliseconds);

    /// <summary>Of one that is not up: only what it was made from is known.</summary>
    public static DeviceReport Make(Pending pending) => new(
        Name: pending.Name,
        State: pending.State is null || pending.Failure is null ? "waiting" : "failed",
        Format: pending.State?.Format ?? pending.Spec.Format ?? "",
        Base: pending.Spec.Base,
        Cow: pending.Spec.Cow,
        Sectors: pending.State?.Sectors ?? pending.Spec.SizeSectors ?? 0,
        ChunkSectors: pending.State?.ChunkSectors ?? pending.Spec.ChunkSectors ?? 0,
        TotalChunks: 0,
        PlacedChunks: 0,
        UncommittedChunks: 0,
        CollapsedChunks: 0,
        UsedBytes: 0,
        CapacityBytes: 0,
        FaultsServed: 0,
        FaultsOutstanding: 0,
        OldestFaultMilliseconds: 0,
        Copies: 0,
        CopiesSkipped: 0,
        Errors: 0,
        KernelMapBytes: 0,
        TableLines: 0,
        SegmentBudget: pending.Spec.Segments ?? 0,
        NoSpace: pending.Spec.NoSpace == NoSpacePolicy.Wait ? "wait" : "error",
        WaitingForSpace: false,
        Mode: "fail",
        Problem: pending.Problem,
        AttachMilliseconds: 0,
        LongestReloadMilliseconds: 0);

    public static ExplainReport Explain(DeviceState state, ChunkGeometry geometry, ulong sector, in Extent where, bool uncommitted, bool linear)
    {
        ulong chunk = geometry.ChunkOf(sector);
        ulong inside = sector - geometry.SectorOf(chunk);
        (string name, string? device, ulong? at, string words) = where.Kind switch
        {
            ExtentKind.Zero => ("zero", null, null, "was never written and reads as zeros"),
            ExtentKind.Base => ("base", state.BaseDevice, (ulong?)sector, "was never written and reads from the base"),
            ExtentKind.Layer => ("layer", Layer(state, where.Place.Device), where.Place.Sector + inside, "reads from a layer"),
            ExtentKind.Shared => ("shared", Overlay(state, where.Place.Device), where.Place.Sector + inside, "reads from what a snapshot in the image holds"),
            ExtentKind.Opaque => ("opaque", null, null, "is compressed, or in parts, and is unpacked when it is read"),
            _ when linear => ("linear", Overlay(state, where.Place.Device), where.Place.Sector + inside, "is committed and collapsed: the kernel maps it without us"),
            _ when uncommitted => ("placed", Overlay(state, where.Place.Device), where.Place.Sector + inside, "was changed; the change is not committed yet"),
            _ => ("committed", Overlay(state, where.Place.Device), where.Place.Sector + inside, "was changed, and the change is committed"),
        };
        string to = device is null ? "" : $", sector {at} of {device}";
        return new ExplainReport(state.Spec.Name, sector, chunk, name, device, at, $"sector {sector} lies in chunk {chunk}, which {words}{to}");
    }

    /// <summary>Device of a layer: of a chain of images the last one stands as the base.</summary>
    private static string? Layer(DeviceState state, int layer)
    {
        int own = state.LayerDevices.Count - (state.ScratchFile is null ? 0 : 1);
        return layer < own ? state.LayerDevices[layer] : state.BaseDevice;
    }

    private static string Overlay(DeviceState state, int device) => device == 0 ? state.CowDevice : state.DataDevices[device - 1];

    private static string Mode(in EngineStatus engine, in KernelCounters kernel) => engine.Mode switch
    {
        EngineMode.Failed => "fail",
        EngineMode.ReadOnly => "ro",
        _ => kernel.Mode,
    };
}
