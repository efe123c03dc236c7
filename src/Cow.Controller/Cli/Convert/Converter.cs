// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.Controller.Cli.Images;
using Cow.Controller.Daemon;
using Cow.Controller.Ipc;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Cli.Convert;

/// <summary>Copies the disk of an image into a new image. Where that fails, nothing is left behind, but for a device that is half written.</summary>
internal sealed class Converter(DaemonPaths paths, ConvertSpec spec)
{
    private const string Raw = "raw";

    /// <summary>Runs; what was made is durable on return.</summary>
    /// <param name="progress">Told several times a second how many bytes of how many are done.</param>
    /// <param name="stop">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was stopped, and nothing was left behind.</exception>
    public void Run(Action<ulong, ulong> progress, CancellationToken stop)
    {
        RefuseSettings();
        using ImageSession session = new(paths, spec.Source);
        ImageChain chain = session.OpenChain();
        ulong bytes = chain.Images[0].Info.VirtualBytes;
        RefuseItself(chain);
        void Done(ulong done) => progress(done, bytes);
        using Destination destination = new(paths, spec.Destination, spec.Force);
        destination.File.Stop = stop;
        MetadataCache cache = new();
        using DestinationOpener opener = new(cache);
        try
        {
            using (IConvertTarget target = Target(destination, bytes, cache, opener, Done))
            {
                Copy(chain, target, Done, stop);
                target.Complete();
            }

            opener.Flush();
            destination.Publish();
            opener.Keep();
            destination.FlushName();
        }
        catch (Exception e) when (destination.IsDevice && destination.File.IsWritten)
        {
            throw HalfWritten(destination.Path, e);
        }
    }

    /// <summary>What an operator is told of a device on which a conversion ended early.</summary>
    internal static CliException HalfWritten(string device, Exception e)
    {
        Failure failure = e is OperationCanceledException
            ? new Failure(ExitCode.Interrupted, device, "the conversion was interrupted", "start it again")
            : Failures.Of(e);
        return new CliException(failure with { Cure = $"{failure.Cure}: {device} is half written, convert again before it is used" });
    }

    private void Copy(ImageChain chain, IConvertTarget target, Action<ulong> progress, CancellationToken stop)
    {
        List<ImageSession> sessions = [];
        try
        {
            List<SlabReader> readers = [];
            for (int i = 0; i < spec.Threads; i++)
            {
                // The locks of the first one are enough.
                ImageSession session = new(paths, spec.Source, locks: false);
                sessions.Add(session);
                readers.Add(new SlabReader(session.OpenChain()));
            }

            using SlabPipeline pipeline = new(new SlabReader(chain), chain.Images[0].Info.VirtualBytes, target, readers);
            pipeline.Run(progress, stop);
        }
        finally
        {
            sessions.ForEach(static session => session.Dispose());
        }
    }

    [SuppressMessage("Reliability", "CA2000", Justification = "The destination owns the file below the cached one.")]
    private IConvertTarget Target(Destination destination, ulong bytes, MetadataCache cache, DestinationOpener opener, Action<ulong> progress)
    {
        if (spec.Format == Raw)
        {
            return new RawTarget(destination.File, bytes, progress);
        }

        ImageSource file = new(new CachedFile(destination.File, cache), destination.Path, opener);
        ImageCreateOptions options = new(bytes, null, spec.Settings);
        IImageDriver driver = ImageFormats.Named(spec.Format);
        if (spec.Compress && driver is IStreamingDriver streaming)
        {
            return new StreamTarget(ImageFormats.Checked(spec.Destination, () => streaming.Stream(file, options)));
        }

        IDiskImage image = ImageFormats.Checked(spec.Destination, () => driver.Create(file, options));
        if (spec.Compress && image is not IPackingImage)
        {
            image.Dispose();
            throw new CliException(ExitCode.Usage, $"format {spec.Format}", "does not keep compressed chunks", "leave --compress out, or take another format");
        }

        return new ImageTarget(image, spec.Compress);
    }

    private void RefuseSettings()
    {
        IImageDriver driver = ImageFormats.Named(spec.Format);
        if (driver.Name == Raw && spec.Settings.Count > 0)
        {
            throw new CliException(ExitCode.Usage, $"-o {spec.Settings.First().Key}", "is no setting of raw, which has none", "leave it out");
        }

        if (spec.Compress && spec.Settings.ContainsKey("data_file"))
        {
            throw new CliException(ExitCode.Usage, "--compress", "is not for an image with a data file, which is the disk as it is", "leave one of them out");
        }

        if (driver.Name == Raw && spec.Compress)
        {
            throw new CliException(ExitCode.Usage, "--compress", "is not for raw, which is the disk as it is", "leave it out, or take another --format");
        }
    }

    private void RefuseItself(ImageChain chain)
    {
        if (chain.Images.Any(image => image.Info.Paths.Prepend(image.Info.Path).Any(path => FileIdentity.AreSame(path, spec.Destination))))
        {
            throw new CliException(ExitCode.Usage, spec.Destination, "is what would be read", "name another destination");
        }
    }
}
