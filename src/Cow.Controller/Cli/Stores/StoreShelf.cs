// SPDX-License-Identifier: MIT
using Cow.Controller.Cli.Images;
using Cow.Controller.Daemon;
using Cow.Formats;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Stores;

/// <summary>Stores through the formats' own drivers.</summary>
/// <param name="files">Opens devices and files.</param>
internal sealed class StoreShelf(IStoreFiles files) : IStoreShelf
{
    private const ulong SectorSize = 512;

    public FormatReport Plan(FormatSpec spec)
    {
        RefuseSame(spec);
        IFormatDriver driver = Driver(spec.Format) ?? FormatRegistry.All[0];
        CreateOptions options = Options(spec, driver);
        SpaceEstimate estimate = Estimate(spec, driver, options);
        ulong needed = spec.BitmapDevice is null ? estimate.TotalBytes : estimate.TotalBytes - estimate.MetadataBytes;
        return new FormatReport(
            spec.Cow,
            driver.Name,
            options.VirtualSizeBytes / SectorSize,
            options.ChunkSectors,
            (long)estimate.MetadataBytes,
            (long)needed,
            files.IsBlockDevice(spec.Cow) ? files.Size(spec.Cow) : null,
            Written: false);
    }

    public FormatReport Create(FormatSpec spec)
    {
        FormatReport plan = Plan(spec);
        IFormatDriver driver = FormatRegistry.Find(plan.Format)!;
        List<CreatedFile> made = [];
        try
        {
            Write(spec, plan, driver, made);
        }
        catch
        {
            // Nothing is left behind of what did not succeed, and nothing else is touched: what has come there since is somebody's.
            made.ForEach(static file => file.Renewed().Delete());
            throw;
        }

        return plan with { Written = true };
    }

    public StoreCheckReport Check(CheckSpec spec)
    {
        using OpenFiles opened = new(files);
        FormatFiles parts = opened.Open(spec);
        IFormatDriver driver = Driver(spec.Format) ?? FormatRegistry.Probe(parts.Metadata ?? parts.Store) ?? throw new CliException(
            ExitCode.BadStore, spec.Cow, "bears no format that is known", $"name one with --format: {ImageFormats.Names}");
        ulong bytes = Sectors(spec.Base, spec.Sectors) * SectorSize ?? SizeUnknown(spec, driver);
        try
        {
            using ICowFormat store = driver.Open(parts, new OpenOptions(bytes, null, ReadOnly: true));
            CheckReport report = store.Check();
            return new StoreCheckReport(spec.Cow, driver.Name, store.Info.ChunkSectors, report.PlacedChunks, report.Errors, report.Leaks);
        }
        catch (ImageFormatException e)
        {
            // So damaged that it does not open: the worst of findings, and still one.
            return new StoreCheckReport(spec.Cow, driver.Name, 0, 0, [e.Message], []);
        }
        catch (ArgumentException e)
        {
            throw Refusal(driver, spec.Cow, e);
        }
    }

    // dm-snapshot's store records no size, and is judged without: any chunk may then have an exception. The others compare.
    private static ulong SizeUnknown(CheckSpec spec, IFormatDriver driver) => driver == FormatRegistry.All[0]
        ? long.MaxValue / SectorSize * SectorSize
        : throw new CliException(
            ExitCode.Usage, spec.Cow, $"a store of format {driver.Name} is compared with the size of its device", "give --base BASE or --size S");

    private void RefuseSame(FormatSpec spec)
    {
        if (spec.Base is { } lower && files.AreSame(spec.Cow, lower))
        {
            throw new CliException(ExitCode.Usage, spec.Cow, "is the base itself", "give another device or file for the changes");
        }

        if (spec.BitmapDevice is { } bitmap && (files.AreSame(bitmap, spec.Cow) || (spec.Base is { } below && files.AreSame(bitmap, below))))
        {
            throw new CliException(ExitCode.Usage, bitmap, "is the base or the store itself", "give another device or file for the bitmap");
        }
    }

    private void Write(FormatSpec spec, FormatReport plan, IFormatDriver driver, List<CreatedFile> made)
    {
        using IImageFile store = OpenOrMake(spec.Cow, made);
        using IImageFile? bitmap = spec.BitmapDevice is null ? null : OpenOrMake(spec.BitmapDevice, made);
        if (!spec.Force)
        {
            RefuseSigned(spec.Cow, store);
            if (bitmap is not null)
            {
                RefuseSigned(spec.BitmapDevice!, bitmap);
            }
        }

        files.Grow(spec.Cow, plan.FullRewriteBytes);
        if (bitmap is not null)
        {
            files.Grow(spec.BitmapDevice!, plan.MetadataBytes);
        }

        try
        {
            driver.Create(
                new FormatFiles(store, bitmap, []), new CreateOptions(plan.Sectors * SectorSize, (uint)plan.ChunkSectors)).Dispose();
        }
        catch (ImageFormatException e)
        {
            throw new CliException(
                ExitCode.NoSpace, spec.Cow, $"is too small: the store needs {e.Expected}, there are {e.Found}", "take a larger one, or a smaller CHUNK");
        }
        catch (ArgumentException e)
        {
            throw Refusal(driver, spec.Cow, e);
        }
    }

    private IImageFile OpenOrMake(string path, List<CreatedFile> made)
    {
        if (files.Make(path) is { } file)
        {
            made.Add(file);
        }

        return files.OpenForWriting(path);
    }

    private static void RefuseSigned(string path, IImageFile file)
    {
        if (FormatRegistry.Probe(file) is { } own)
        {
            throw new CliException(
                ExitCode.ForeignSignature, path, $"already holds a store of format {own.Name}", "create takes it as it is; --force throws its changes away");
        }

        if (SignatureProbe.Find(file) is { } foreign)
        {
            throw new CliException(ExitCode.ForeignSignature, path, $"already bears {foreign}", "take another device, or --force to overwrite it");
        }
    }

    private CreateOptions Options(FormatSpec spec, IFormatDriver driver)
    {
        ulong chunk = spec.ChunkSectors ?? driver.DefaultChunkSectors;
        if (chunk < driver.MinChunkSectors || chunk > driver.MaxChunkSectors)
        {
            throw new CliException(
                ExitCode.Usage,
                $"chunk {chunk}",
                $"is not a chunk of format {driver.Name}",
                $"take {driver.MinChunkSectors} to {driver.MaxChunkSectors} sectors");
        }

        return Sectors(spec.Base, spec.Sectors) is { } sectors and > 0
            ? new CreateOptions(sectors * SectorSize, (uint)chunk)
            : throw new CliException(ExitCode.Usage, spec.Base ?? spec.Cow, "is empty", "take a base that has data, or give --size");
    }

    private ulong? Sectors(string? lower, ulong? asked)
    {
        ulong? present = lower is null ? null : ((ulong)files.Size(lower) + SectorSize - 1) / SectorSize;
        return present is { } there && asked > there
            ? throw new CliException(ExitCode.Usage, lower!, $"has {there} sectors, fewer than --size", "leave --size out, or take a larger base")
            : asked ?? present;
    }

    private static SpaceEstimate Estimate(FormatSpec spec, IFormatDriver driver, CreateOptions options)
    {
        try
        {
            return driver.Estimate(options);
        }
        catch (ArgumentException e)
        {
            throw Refusal(driver, spec.Cow, e);
        }
    }

    // Options that the format does not take; .NET puts the name of our parameter behind the sentence.
    private static CliException Refusal(IFormatDriver driver, string path, ArgumentException e) => new(
        ExitCode.Usage, path, $"format {driver.Name} refuses: {e.Message.Split(" (Parameter")[0]}", "give the options and files that it takes");

    private static IFormatDriver? Driver(string? name) => name is null
        ? null
        : FormatRegistry.Find(name) ?? throw new CliException(ExitCode.Usage, $"format {name}", "is not known", $"take one of {Names}");

    private static string Names => string.Join(", ", FormatRegistry.All.Select(static driver => driver.Name));
}
