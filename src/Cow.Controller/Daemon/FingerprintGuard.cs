// SPDX-License-Identifier: MIT
using System.Security.Cryptography;
using System.Text;
using Cow.Controller.Ipc;
using Cow.DmIoctl;
using Cow.Formats.Io;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Cow.Controller.Daemon;

/// <summary>Sees to it that an overlay is opened on the base that it was made on. The stores have no room for that, so it is kept beside them,
/// and in the configuration of a device that is created at boot, when /var may not be mounted yet.</summary>
/// <param name="paths">Where it is kept.</param>
/// <param name="log">For what cannot be kept.</param>
/// <param name="flush">Makes the names in a directory durable, if not <see cref="FileSync.FlushDirectory"/> does.</param>
internal sealed class FingerprintGuard(DaemonPaths paths, ILogger log, Action<string>? flush = null)
{
    private const int Blocks = 16;
    private const int BlockBytes = 4096;

    private static readonly uint[] CrcOfByte = MakeCrcOfByte();

    /// <summary>Remembers the base of a new store. Where that fails only a check is lost, and that is no reason to do without the device.</summary>
    public void Remember(string cow, BaseFingerprint now)
    {
        try
        {
            JsonFile.Write(paths.FingerprintOf(IdOf(cow)), now, JsonContext.Default.BaseFingerprint, flush ?? FileSync.FlushDirectory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            DaemonLog.Warning(log, $"the base of {cow} is not remembered, and not checked the next time: {e.Message}");
        }
    }

    /// <summary>Checks the base of a store. An empty one is of none yet, whatever its path was made on before; at boot nobody is there to have wanted
    /// another base.</summary>
    public void Check(CreateSpec spec, BaseFingerprint now, bool empty)
    {
        if (empty && !spec.Unattended)
        {
            Remember(spec.Cow, now);
        }
        else
        {
            Check(spec, now);
        }
    }

    /// <summary>Checks the base of an existing store. One that was never seen before is remembered: it may come from another machine.</summary>
    public void Check(CreateSpec spec, BaseFingerprint now)
    {
        BaseFingerprint? known = Known(spec);
        bool same = known is null || (known.Bytes == now.Bytes && known.Samples.SequenceEqual(now.Samples));
        if (!same && !spec.Force)
        {
            throw new RefusedException(
                ExitCode.BadStore,
                now.Base,
                $"is not the base that {spec.Cow} was made on ({known!.Base}), or was changed since",
                "give the right base, or --force if the change is known not to matter");
        }

        if (known is null || !same)
        {
            Remember(spec.Cow, now);
        }
    }

    /// <summary>Checks what an image is backed by. An image may be given another backing file by other programs: that is no news; the same file
    /// with other contents is.</summary>
    /// <param name="spec">The image.</param>
    /// <param name="now">What backs it.</param>
    /// <param name="made">It was made just now.</param>
    public void CheckBacking(CreateSpec spec, BaseFingerprint now, bool made = false)
    {
        CreateSpec asked = spec.Fingerprint?.Base == now.Base ? spec : spec with { Fingerprint = null };
        if (!made && Known(asked)?.Base == now.Base)
        {
            Check(asked, now);
        }
        else
        {
            Remember(spec.Cow, now);
        }
    }

#pragma warning disable CA2000 // The image file owns the handle.
    /// <summary>What a base looks like now.</summary>
    public static BaseFingerprint Take(string basePath, string device)
    {
        SafeFileHandle handle = BlockDevice.OpenDirect(device, write: false);
        long bytes = checked((long)BlockDevice.SizeBytes(handle));
        int alignment = checked((int)BlockDevice.LogicalBlockSize(handle));
        using var file = new ImageFile(handle, device, alignment, () => bytes, Math.Max(BlockBytes, alignment));
        var samples = new List<FingerprintSample>();
        byte[] block = new byte[Math.Min(BlockBytes, bytes)];
        for (int i = 0; i < Blocks && bytes > 0; i++)
        {
            // Spread over the whole base, its first and its last block among them.
            long offset = (bytes - block.Length) / Math.Max(1, Blocks - 1) * i / BlockBytes * BlockBytes;
            file.ReadAt(block, offset);
            samples.Add(new FingerprintSample(offset, Crc32(block)));
        }

        return new BaseFingerprint(basePath, bytes, samples);
    }
#pragma warning restore CA2000

    private BaseFingerprint? Known(CreateSpec spec) =>
        spec.Fingerprint ?? JsonFile.Read(paths.FingerprintOf(IdOf(spec.Cow)), JsonContext.Default.BaseFingerprint);

    private static string IdOf(string cow) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(cow))).AsSpan(0, 12));

    /// <summary>CRC-32 of ISO 3309, reflected: enough against mistakes, which is what this is about.</summary>
    private static uint Crc32(ReadOnlySpan<byte> data)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in data)
        {
            crc = CrcOfByte[(crc ^ b) & 0xff] ^ (crc >> 8);
        }

        return ~crc;
    }

    private static uint[] MakeCrcOfByte()
    {
        uint[] table = new uint[256];
        for (uint value = 0; value < table.Length; value++)
        {
            uint crc = value;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xedb88320 : crc >> 1;
            }

            table[value] = crc;
        }

        return table;
    }
}
