// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>Which format a store has, or gets, and which size and chunk follow from it.</summary>
internal static class StoreOpener
{
    public const string DefaultFormat = "snapshot";

    /// <summary>The driver that a specification asks for, or the default.</summary>
    public static IFormatDriver DriverFor(CreateSpec spec) => Named(spec.Format ?? DefaultFormat);

    public static IFormatDriver Named(string name) => FormatRegistry.Find(name)
        ?? throw new RefusedException(
            ExitCode.Usage, name, "is not a format", $"use one of {string.Join(", ", FormatRegistry.All.Select(driver => driver.Name))}");

    /// <summary>Opens what the store's files hold; makes an empty store where they hold nothing.</summary>
    /// <param name="store">The files.</param>
    /// <param name="spec">What was asked for.</param>
    /// <param name="bytes">Size of the device.</param>
    /// <returns>Name of the format.</returns>
    public static string OpenOrCreate(OpenedStore store, CreateSpec spec, ulong bytes)
    {
        IFormatDriver? found = FormatRegistry.Probe(store.Head);
        bool made = found is null || (spec.Force && spec.Format is not null && spec.Format != found.Name);
        if (!made)
        {
            Same(spec, found!);
            store.Open(found!, new OpenOptions(bytes, Chunk(spec, found!), spec.ReadOnly));
            return found!.Name;
        }

        MayMake(spec, spec.Cow);
        NotForeign(store, spec);
        IFormatDriver driver = DriverFor(spec);
        store.Create(driver, new CreateOptions(bytes, Chunk(spec, driver) ?? driver.DefaultChunkSectors));
        return driver.Name;
    }

    /// <summary>
    /// Nobody would notice a new store in place of the device's own, which is on a file system that is not mounted yet, or on a disk that has another
    /// name now: what is written would be lost to one of the two.
    /// </summary>
    /// <param name="spec">What was asked for.</param>
    /// <param name="path">Of it, where a store is to be made.</param>
    public static void MayMake(CreateSpec spec, string path)
    {
        if (!spec.Unattended)
        {
            return;
        }

        throw File.Exists(path)
            ? new RefusedException(ExitCode.BadStore, path, "holds no store", "find out which device holds it: none is made at boot")
            : new RefusedException(ExitCode.NotFound, path, "is not there yet", "mount its file system, or attach its disk: no store is made at boot");
    }

    /// <summary>Opens a store that is known to be one.</summary>
    public static void Reopen(OpenedStore store, DeviceState state) => store.Open(
        Named(state.Format!),
        new OpenOptions(state.Sectors * ChunkGeometry.SectorBytes, checked((uint)state.ChunkSectors), state.Spec.ReadOnly));

    /// <summary>The chunk that was asked for, inside the driver's limits.</summary>
    public static uint? Chunk(CreateSpec spec, IFormatDriver driver)
    {
        if (spec.ChunkSectors is not ulong chunk)
        {
            return null;
        }

        if (!ulong.IsPow2(chunk))
        {
            throw new RefusedException(ExitCode.Usage, $"chunk {chunk}", "is not a power of two of sectors", "use 8, 16, 32, ... 1024 is 512 KiB");
        }

        return chunk >= driver.MinChunkSectors && chunk <= driver.MaxChunkSectors
            ? (uint)chunk
            : throw new RefusedException(
                ExitCode.Usage, $"chunk {chunk}", $"is not possible with {driver.Name}", $"use {driver.MinChunkSectors} to {driver.MaxChunkSectors} sectors");
    }

    private static void Same(CreateSpec spec, IFormatDriver found)
    {
        if (spec.Format is not null && spec.Format != found.Name)
        {
            throw new RefusedException(
                ExitCode.ForeignSignature, spec.Cow, $"holds a {found.Name} store, not {spec.Format}", "leave --format out, or overwrite it with --force");
        }
    }

    private static void NotForeign(OpenedStore store, CreateSpec spec)
    {
        if (spec.Force)
        {
            return;
        }

        string? foreign = SignatureProbe.Find(store.Data)
            ?? (ReferenceEquals(store.Head, store.Data) ? null : SignatureProbe.Find(store.Head))
            ?? FormatRegistry.Probe(store.Data)?.Name;
        if (foreign is not null)
        {
            throw new RefusedException(
                ExitCode.ForeignSignature, spec.Cow, $"bears a signature of {foreign}", "use another device, or overwrite it with --force");
        }

        if (spec.ReadOnly)
        {
            throw new RefusedException(ExitCode.BadStore, spec.Cow, "holds no store", "leave --read-only out to make one");
        }
    }
}
