// SPDX-License-Identifier: MIT
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats;
using Cow.Formats.Images;
using Cow.Formats.Io;

namespace Cow.Controller.Daemon;

/// <summary>Turns a disk image and what it is backed by into the block devices of a table line, and opens it.</summary>
/// <param name="parts">Records the steps.</param>
/// <param name="undo">Takes them back.</param>
/// <param name="uses">Who else uses the files.</param>
/// <param name="locks">QEMU's, on all of the files.</param>
internal sealed class ImageParts(PartsBuilder parts, Unwinder undo, UseChecks uses, ImageLocks locks)
{
    /// <summary>The image was not there before.</summary>
    public bool Made { get; private set; }

    /// <summary>Opens the image; on return all of the state but the phase is known.</summary>
    /// <param name="spec">The image, and how.</param>
    /// <param name="open">Opens it, with what claims each file that it names: see <see cref="ImageStore.Open"/>.</param>
    public ImageStore Open(CreateSpec spec, Func<CreateSpec, Action<string, bool>, ImageStore> open)
    {
        NotOnOurs([spec.Cow], spec.ReadOnly);
        Made = spec.Base is not null && IsToBeMade(spec);
        Claim(PartsBuilder.Existing(spec.Cow), !spec.ReadOnly);
        if (Made)
        {
            NewImage.Over(spec.Base!, spec);
        }

        ImageStore store = open(spec, Claim);
        undo.Add("open the image", () => Abandon(store));
        ImageChain chain = store.Chain;
        RefuseWhatCannotBe(chain, spec);
        NotOnOurs(chain.Images[0].Info.Paths, spec.ReadOnly);
        if (!Made)
        {
            RequireAsked(chain.Images[0].Info, spec);
        }

        RequireBase(chain, spec);
        parts.Set(parts.State with
        {
            Format = chain.Info.Format,
            ChunkSectors = chain.Info.ChunkSectors,
            Sectors = chain.Info.VirtualSize!.Value / ChunkGeometry.SectorBytes,
        });
        Devices(chain, spec);
        store.Serve(parts.State);
        return store;
    }

    /// <summary>An image that is there is what it is: another size or chunk is not passed over in silence. A configuration has what its image was made
    /// with, whatever has become of that since.</summary>
    internal static void RequireAsked(ImageInfo image, CreateSpec spec)
    {
        if (spec.Unattended)
        {
            return;
        }

        ulong sectors = image.VirtualBytes / ChunkGeometry.SectorBytes;
        if (spec.SizeSectors is { } size && size != sectors)
        {
            throw new RefusedException(
                ExitCode.BadStore, spec.Cow, $"is an image of {sectors} sectors, {size} are asked for", "leave --size out, or give another COW");
        }

        if (spec.ChunkSectors is { } chunk && chunk != image.ClusterSectors && chunk != image.ChunkSectors)
        {
            throw new RefusedException(
                ExitCode.BadStore, spec.Cow, $"is an image with clusters of {image.ClusterSectors} sectors, {chunk} are asked for",
                "leave CHUNK out, or give another COW");
        }
    }

    private static void NotOnOurs(IEnumerable<string> files, bool readOnly)
    {
        foreach (string file in readOnly ? [] : files)
        {
            UseChecks.NotOnOurs(file);
        }
    }

    private static void RefuseWhatCannotBe(ImageChain chain, CreateSpec spec)
    {
        ImageInfo info = chain.Images[0].Info;
        if (info.VirtualBytes == 0)
        {
            throw new RefusedException(ExitCode.BadStore, spec.Cow, "is an image of an empty disk", "make a larger one");
        }

        if (!spec.ReadOnly && info.ReadOnlyReason is { } reason)
        {
            throw new RefusedException(ExitCode.BadStore, spec.Cow, $"can only be read: {reason}", "use --read-only, or convert it");
        }
    }

    /// <summary>For <c>create</c>: the base that was named is the one that the image was made over.</summary>
    private static void RequireBase(ImageChain chain, CreateSpec spec)
    {
        if (spec.Base is { } named
            && (chain.LayerPaths.Count == 0 || BlockDevice.IdentityOf(chain.LayerPaths[0]) != BlockDevice.IdentityOf(named)))
        {
            throw new RefusedException(
                ExitCode.BadStore, spec.Cow, $"is backed by {(chain.LayerPaths.Count == 0 ? "nothing" : chain.LayerPaths[0])}, not by {named}",
                "give that base, or use \"cowctl open\"");
        }
    }

    /// <summary>Nothing was served yet, so nothing is lost: the image is left as closed as it was.</summary>
    private static void Abandon(ImageStore store)
    {
        try
        {
            store.Close();
        }
        finally
        {
            store.Dispose();
        }
    }

    /// <summary>For <c>create</c>: whether there is no image yet. What is to become one is there on return, and was not written.</summary>
    private bool IsToBeMade(CreateSpec spec)
    {
        string lower = PartsBuilder.Existing(spec.Base!);
        if (!IsEmpty(spec.Cow))
        {
            return false;
        }

        StoreOpener.MayMake(spec, spec.Cow);
        if (spec.ReadOnly)
        {
            throw new RefusedException(ExitCode.NotFound, spec.Cow, "is no image yet", "leave --read-only out to make one");
        }

        Claim(lower, write: false);
        if (!File.Exists(spec.Cow))
        {
            parts.CreateFile(spec.Cow, 0);
        }

        return true;
    }

    /// <summary>Whether an image is to be made: no file, or a device that bears nothing.</summary>
    private static bool IsEmpty(string path)
    {
        if (!PartsBuilder.Exists(path))
        {
            return true;
        }

        using IImageFile file = DirectFile.Open(path, write: false);
        if (file.Length > 0 && ImageRegistry.Probe(file) is not null)
        {
            return false;
        }

        return file.Length > 0 && !file.CanGrow && SignatureProbe.Find(file) is null && SignatureProbe.HasZeroHead(file)
            ? true
            : throw new RefusedException(ExitCode.ForeignSignature, path, "is there already, and is no disk image", "use another file or device");
    }

    /// <summary>Refuses what somebody else uses, and keeps it for us.</summary>
    private void Claim(string path, bool write)
    {
        if (write)
        {
            uses.Store(path);
        }
        else
        {
            uses.Base(path);
        }

        locks.Lock(path, write);
    }

    /// <summary>The bottom of the chain stands in the line as its base; an image without a backing one stands there itself, and is never read so.</summary>
    private void Devices(ImageChain chain, CreateSpec spec)
    {
        ImageInfo top = chain.Images[0].Info;
        parts.Base(chain.LayerPaths.Count > 0 ? chain.LayerPaths[^1] : top.Paths[0], ownDevice: chain.LayerPaths.Count == 0);
        parts.Cow(top.Paths[0], spec.ReadOnly);
        parts.Layers([.. chain.LayerPaths.SkipLast(1)]);
        parts.Data([.. top.Paths.Skip(1)], spec.ReadOnly);
        if (spec.ReadOnly)
        {
            parts.Scratch(spec.Name, checked((long)chain.Info.VirtualSize!.Value));
        }
    }
}
