// SPDX-License-Identifier: MIT
using System.Diagnostics;
using System.Globalization;
using Cow.Formats;
using Cow.Replay;
using Cow.Replay.LogWrites;

const int Subsets = 20;
const int Held = 0;
const int Violated = 1;
const int Usage = 2;

if (args is not [string logPath, string journalPath, string basePath, string format, string storeText, string diskText, .. string[] rest]
    || !long.TryParse(storeText, CultureInfo.InvariantCulture, out long storeBytes)
    || !ulong.TryParse(diskText, CultureInfo.InvariantCulture, out ulong diskBytes)
    || FormatRegistry.Find(format) is not { } driver)
{
    Console.Error.WriteLine("usage: replay LOG JOURNAL BASE FORMAT BYTES-OF-STORE BYTES-OF-DISK [SEED]");
    return Usage;
}
int seed = rest is [string text] ? int.Parse(text, CultureInfo.InvariantCulture) : Environment.TickCount;
Console.WriteLine($"seed {seed}");
Stopwatch clock = Stopwatch.StartNew();
LogWritesLog log = LogWritesLog.Read(logPath);
Journal journal = Journal.Read(journalPath);
using BaseDevice lower = new(basePath);
using MemoryImage image = new(logPath, storeBytes);
Judge judge = new(driver, lower, diskBytes, journal);
PowerCuts cuts = new(log, journal, judge, seed);
try
{
    cuts.Run(image, Subsets);
    if (journal.MarksPassed != journal.Marks)
    {
        throw new ViolationException($"the log has {journal.MarksPassed} of {journal.Marks} marks: it is cut short");
    }
}
catch (ViolationException e)
{
    Console.WriteLine($"VIOLATED (seed {seed}): {e.Message}");
    return Violated;
}
Console.WriteLine(
    $"held: {cuts.Points} flushes and FUA writes ({cuts.FuaPoints} FUA), {cuts.Subsets} subsets, {log.Entries.Count} entries, {journal.Writes} writes, "
    + $"{journal.Marks} syncs, {judge.Stores} stores judged, {judge.NoStoreYet} before there was one, {judge.Sectors} sectors, {clock.ElapsedMilliseconds} ms");
return Held;
