// SPDX-License-Identifier: MIT
using System.Runtime.InteropServices;

namespace Cow.DmIoctl;

/// <summary>The kernel said no. Its message is a sentence for an operator: object, operation, reason.</summary>
public sealed class LinuxException : IOException
{
    /// <summary>Makes the sentence.</summary>
    /// <param name="errno">What the kernel said.</param>
    /// <param name="operation">What was tried, in the kernel's words: <c>DM_TABLE_LOAD</c>, <c>open</c>.</param>
    /// <param name="subject">On what: a path or a name; null where there is none.</param>
    /// <param name="advice">What to do about it, where that is known.</param>
    /// <param name="headers">Device-mapper calls: the headers that went in and came out.</param>
    public LinuxException(Errno errno, string operation, string? subject, string? advice = null,
        string? headers = null)
        : base(Sentence(errno, operation, subject, advice))
    {
        Errno = errno;
        // As the exceptions of .NET have it, for those who know no LinuxException.
        HResult = (int)errno;
        Operation = operation;
        Subject = subject;
        Headers = headers;
    }

    /// <summary>What the kernel said.</summary>
    public Errno Errno { get; }

    /// <summary>There is no room: on the file system, in a quota, or in a file that is as large as one can be.</summary>
    public bool IsForWantOfRoom => Errno is Errno.ENOSPC or Errno.EDQUOT or Errno.EFBIG;

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <summary>On what: a path or a name.</summary>
    public string? Subject { get; }

    /// <summary>Device-mapper calls: the headers that went in and came out, as text for a bug report.</summary>
    public string? Headers { get; }

    /// <summary>All of it, headers and stack included.</summary>
    public override string ToString() => Headers is null ? base.ToString() : base.ToString() + "\n" + Headers;

    private static string Sentence(Errno errno, string operation, string? subject, string? advice)
    {
        string reason = $"{operation}: {Marshal.GetPInvokeErrorMessage((int)errno)} ({errno})";
        string sentence = string.IsNullOrEmpty(subject) ? reason : $"{subject}: {reason}";
        return advice is null ? sentence : $"{sentence}; {advice}";
    }
}
