// SPDX-License-Identifier: MIT
using Cow.DmIoctl;
using Cow.Formats;

namespace Cow.Controller.Daemon;

/// <summary>
/// The places that the kernel holds in advance (PROTOCOL.md section 10): how many, when more, and when they come back. The format knows which.
/// </summary>
/// <remarks>
/// A pool is as large as the kernel's hunger: it doubles when it was half used up within a second, and halves when that took long. Every place in it
/// is kept as one that was answered is: blocks of the file allocated, room for its metadata, too. Where free space is in many pieces the kernel gets the
/// first of them, and the next ones when it has used half of those.
/// </remarks>
internal sealed class Grants
{
    private const ulong MostPlaces = 1 << 16;

    /// <summary>What a pool begins with at most. It should last as long as the daemon may have to wait for a processor: the kernel asks for more when a quarter
    /// is left.</summary>
    private const ulong MostFirstPlaces = 8192;

    private const ulong MostBytes = 1 << 30;

    /// <summary>Pieces that are handed out at once: an eighth of what the kernel takes, which counts them until what they served is committed.</summary>
    private const int MostPieces = 2048;

    /// <summary>What a pool begins with on a device, all of which is there, and in a file, whose blocks it takes.</summary>
    private const ulong FirstBytes = 64 << 20;
    private const ulong FirstBytesOfFile = 1 << 20;

    private const long Soon = 1000;
    private const long Late = 30_000;

    private readonly IGrantingFormat? _format;
    private readonly ISpaceKeeper _space;
    private readonly ChunkGeometry _geometry;
    private readonly ulong _first;
    private readonly ulong _most;
    private ulong _target;

    // Places that the kernel held when it had been given as many pieces as it shall have at once.
    private ulong _crowded = ulong.MaxValue;
    private long _filled = long.MinValue / 2;

    // Ever. Before that all places are those that were answered, of which the format knows.
    private bool _given;

    // Places that the kernel has taken and not told of.
    private ulong _untold;
    private long? _scarceSince;
    private bool _scarce;
    private bool _refused;

    public Grants(ICowFormat format, ISpaceKeeper space, ChunkGeometry geometry)
    {
        _format = format is IGrantingFormat { Grants: true } granting ? granting : null;
        _space = space;
        _geometry = geometry;
        ulong bytes = geometry.ChunkSectors * ChunkGeometry.SectorBytes;
        _first = Math.Clamp((space.HasAll ? FirstBytes : FirstBytesOfFile) / bytes, 1, MostFirstPlaces);
        _most = Math.Clamp(MostBytes / bytes, _first, MostPlaces);
        _target = _first;
    }

    /// <summary>Places that the kernel was given and has not told of.</summary>
    public ulong Left { get; private set; }

    /// <summary>Places that it has not taken, as far as it has said.</summary>
    private ulong Free => Left - _untold;

    /// <summary>REVOKE was sent and is not answered.</summary>
    public bool Revoking { get; private set; }

    /// <summary>What an attach asks for.</summary>
    public CowFeatures Wanted => _format is null ? CowFeatures.None : CowFeatures.Grant;

    /// <summary>Whether the kernel may be given any.</summary>
    public bool Served { get; private set; }

    /// <summary>What the attach was answered.</summary>
    public void Serve(CowFeatures features) => Served = _format is not null && features.HasFlag(CowFeatures.Grant);

    /// <summary>The picture: a former controller of the ident gave these.</summary>
    public void Adopt(PlaceGrant grant)
    {
        RequireFormat().AdoptGrant(grant);
        _given = true;
        Left += grant.Count;
    }

    /// <summary>The kernel gave chunks their places, perhaps of these.</summary>
    public void Took(ReadOnlySpan<PlacedRun> runs)
    {
        if (_given)
        {
            ulong taken = _format!.Take(runs);
            Left -= Math.Min(Left, taken);
            _untold -= Math.Min(_untold, taken);
        }
    }

    /// <summary>The kernel took places of which it will tell later.</summary>
    /// <param name="free">What it can still take.</param>
    public void Heard(ulong free) => _untold = Left - Math.Min(Left, free);

    /// <summary>One of the answers to REVOKE, or to the end of the last line.</summary>
    /// <param name="rest">What nobody took; a count of 0 ends them.</param>
    public void Returned(PlaceGrant rest)
    {
        if (rest.Count == 0)
        {
            Left = 0;
            _untold = 0;
            Revoking = false;
        }
        else
        {
            RequireFormat().Release(rest);
        }
    }

    /// <summary>The kernel did not take a grant.</summary>
    /// <param name="grant">It.</param>
    /// <param name="error">Why. Two reasons pass: there is no line, and there are too many grants.</param>
    public void Refused(PlaceGrant grant, Errno error)
    {
        RequireFormat().Release(grant);
        Left -= Math.Min(Left, grant.Count);
        _refused |= error is not (Errno.ENODEV or Errno.E2BIG);
        _scarce |= error == Errno.E2BIG;
    }

    /// <summary>Room is needed that the kernel may hold.</summary>
    /// <returns>True when it was asked back: the end of REVOKED will come.</returns>
    public bool Reclaim(ReplyBuffer replies)
    {
        if (Left == 0 || Revoking)
        {
            return Revoking;
        }

        _scarce = true;
        Revoking = true;
        replies.Revoke();
        return true;
    }

    /// <summary>There is more room than there was.</summary>
    public void Grew() => _scarce = false;

    /// <summary>Hands out what is missing.</summary>
    /// <param name="replies">Gets the GRANTs.</param>
    /// <param name="now">Milliseconds of a clock that only goes forward.</param>
    public void TopUp(ReplyBuffer replies, long now)
    {
        if (!Served || Revoking || _refused || Free > Math.Min(_target, _crowded) / 2 || IsScarce(now))
        {
            return;
        }

        long took = now - _filled;
        _filled = now;
        if (took < Soon)
        {
            _target = Math.Min(_target * 2, _most);
        }
        else if (took > Late)
        {
            _target = Math.Max(_target / 2, _first);
        }

        int pieces = 0;
        while (Free < _target && pieces < MostPieces && Grant(replies))
        {
            pieces++;
        }

        _crowded = pieces < MostPieces ? ulong.MaxValue : Free;
    }

    /// <summary>What was asked back, or refused, is not handed out at once again.</summary>
    private bool IsScarce(long now)
    {
        if (_scarce)
        {
            _scarceSince ??= now;
            _scarce = now - _scarceSince < Late;
        }

        _scarceSince = _scarce ? _scarceSince : null;
        return _scarce;
    }

    private bool Grant(ReplyBuffer replies)
    {
        PlaceGrant grant = _format!.Reserve(_target - Free);
        if (grant.Count == 0)
        {
            return false;
        }

        if (!CanBeKept(grant))
        {
            _format.Release(grant);
            return false;
        }

        _given = true;
        Left += grant.Count;
        replies.Grant(grant);
        return true;
    }

    /// <summary>A range is all that the disk has: it is kept where all of it is there, and else asked for chunk by chunk.</summary>
    private bool CanBeKept(in PlaceGrant grant) =>
        (grant.IsPool || _space.HasAll)
        && _space.Ensure(grant.Place.Device, _geometry.BytesOf(new PlacedRun(new ChunkRun(0, grant.Count), grant.Place)))
        && _space.Ensure(0, grant.Metadata);

    private IGrantingFormat RequireFormat() =>
        _format ?? throw new InvalidDataException("the kernel holds places that this format cannot have given it");
}
