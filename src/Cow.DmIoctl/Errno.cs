// SPDX-License-Identifier: MIT
using System.Diagnostics.CodeAnalysis;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>Error numbers of Linux (errno.h) that somebody branches on or answers with; others may occur.</summary>
[CConstants("errno.h", "")]
[SuppressMessage("Naming", "CA1700", Justification = "The names are those of errno.h.")]
public enum Errno
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>Not allowed.</summary>
    EPERM = 1,

    /// <summary>No such file, ident or fault.</summary>
    ENOENT = 2,

    /// <summary>No such process.</summary>
    ESRCH = 3,

    /// <summary>A signal came.</summary>
    EINTR = 4,

    /// <summary>Input or output failed.</summary>
    EIO = 5,

    /// <summary>No such device.</summary>
    ENXIO = 6,

    /// <summary>Too many.</summary>
    E2BIG = 7,

    /// <summary>Bad descriptor.</summary>
    EBADF = 9,

    /// <summary>Nothing there now.</summary>
    EAGAIN = 11,

    /// <summary>No memory.</summary>
    ENOMEM = 12,

    /// <summary>Not allowed.</summary>
    EACCES = 13,

    /// <summary>Bad address.</summary>
    EFAULT = 14,

    /// <summary>In use.</summary>
    EBUSY = 16,

    /// <summary>It is there already.</summary>
    EEXIST = 17,

    /// <summary>The driver is missing.</summary>
    ENODEV = 19,

    /// <summary>Part of the path is not a directory.</summary>
    ENOTDIR = 20,

    /// <summary>Wrong argument.</summary>
    EINVAL = 22,

    /// <summary>The system has too many files open.</summary>
    ENFILE = 23,

    /// <summary>This process has too many files open.</summary>
    EMFILE = 24,

    /// <summary>Unknown ioctl.</summary>
    ENOTTY = 25,

    /// <summary>The file is too large.</summary>
    EFBIG = 27,

    /// <summary>No space.</summary>
    ENOSPC = 28,

    /// <summary>Read-only.</summary>
    EROFS = 30,

    /// <summary>Out of range.</summary>
    ERANGE = 34,

    /// <summary>Not in this kernel.</summary>
    ENOSYS = 38,

    /// <summary>No data.</summary>
    ENODATA = 61,

    /// <summary>The sides disagree about the protocol.</summary>
    EPROTO = 71,

    /// <summary>Not supported here.</summary>
    EOPNOTSUPP = 95,

    /// <summary>Time out.</summary>
    ETIMEDOUT = 110,

    /// <summary>Taken over, or of another generation.</summary>
    ESTALE = 116,

    /// <summary>A quota is used up.</summary>
    EDQUOT = 122,

    /// <summary>Cancelled.</summary>
    ECANCELED = 125,
}
