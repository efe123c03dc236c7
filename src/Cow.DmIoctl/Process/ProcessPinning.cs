// SPDX-License-Identifier: MIT
using System.Globalization;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl;

/// <summary>
/// Keeps a daemon from needing the devices that it serves. Order: <see cref="SetOomScore"/>,
/// <see cref="SetIoFlusher"/>, <see cref="LimitStacks"/>, <see cref="ExecSelf"/>; then, in the new image, <see cref="DisableCoreDumps"/> and
/// <see cref="LockMemory"/>. The exec is needed: the runtime has threads before Main, and a thread that exists does
/// not get the flusher flag.
/// </summary>
public static class ProcessPinning
{
    private const string OomPath = "/proc/self/oom_score_adj";

    /// <summary>
    /// The calling thread, and threads that it starts, allocate memory without doing I/O for it. False also where we
    /// may not ask (CAP_SYS_RESOURCE).
    /// </summary>
    public static bool IsIoFlusher => LibC.PrCtl(ProcessNumbers.GetIoFlusher, 0, 0, 0, 0) == 1;

    /// <summary>Sets <see cref="IsIoFlusher"/>; needs CAP_SYS_RESOURCE, EPERM otherwise. Survives an exec.</summary>
    public static void SetIoFlusher() => Syscall.Check(
        LibC.PrCtl(ProcessNumbers.SetIoFlusher, 1, 0, 0, 0), "PR_SET_IO_FLUSHER", null, "run as root");

    /// <summary>Keeps all memory of the process resident, now and later; needs CAP_IPC_LOCK or a high limit.</summary>
    public static void LockMemory() => Syscall.Check(
        LibC.MLockAll(MemoryNumbers.LockCurrent | MemoryNumbers.LockFuture), "mlockall", null,
        "run as root, or raise LimitMEMLOCK to infinity");

    /// <summary>How large the stacks of threads become, unless they are made with a size of their own; from the next exec on.</summary>
    /// <param name="bytes">For each.</param>
    public static unsafe void LimitStacks(ulong bytes)
    {
        var limit = new RLimit { Current = bytes, Maximum = ResourceNumbers.Unlimited };
        Syscall.Check(LibC.SetRLimit(ResourceNumbers.Stack, &limit), "setrlimit", null, "run as root");
    }

    /// <summary>How readily the kernel ends the process when memory runs out.</summary>
    /// <param name="score">-1000 (never) to 1000; below the present value it needs CAP_SYS_RESOURCE.</param>
    public static void SetOomScore(int score)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(score, -1000);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(score, 1000);
        try
        {
            File.WriteAllText(OomPath, score.ToString(CultureInfo.InvariantCulture));
        }
        catch (UnauthorizedAccessException)
        {
            throw new LinuxException(Errno.EACCES, "write", OomPath, "run as root");
        }
    }

    /// <summary>
    /// No core dump, neither into a file nor through a pipe to a handler (to which the limit alone does not apply): a
    /// dump keeps the descriptors open while it is written, perhaps onto a device that we serve.
    /// </summary>
    public static unsafe void DisableCoreDumps()
    {
        var none = default(RLimit);
        Syscall.Check(LibC.SetRLimit(ResourceNumbers.Core, &none), "setrlimit");
        Syscall.Check(LibC.PrCtl(ProcessNumbers.SetDumpable, 0, 0, 0, 0), "PR_SET_DUMPABLE");
    }

    /// <summary>
    /// Starts this program anew in this process, which keeps its id and its standard streams; all its threads and
    /// close-on-exec descriptors go. Returns only by throwing.
    /// </summary>
    /// <param name="args">What Main gets.</param>
    /// <param name="env">Changes to the environment; null removes a variable.</param>
    public static void ExecSelf(IReadOnlyList<string> args, IReadOnlyDictionary<string, string?> env)
    {
        ArgumentNullException.ThrowIfNull(args);
        ArgumentNullException.ThrowIfNull(env);
        string program = Environment.ProcessPath ?? "/proc/self/exe";
        ExecImage.Run(program, ExecImage.Arguments(program, args), ExecImage.Environment(env));
    }
}
