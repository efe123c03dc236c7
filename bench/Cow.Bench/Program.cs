// SPDX-License-Identifier: MIT
using Cow.Bench;
using Cow.Bench.Devices;

if (args is ["devices", string results, string costs, string devices, string tables])
{
    return new DeviceReport(DeviceRuns.Read(results), Cost.Read(costs)).Write(devices, Path.ChangeExtension(results, ".dat"), tables) ? 0 : 1;
}

if (args is not [string cowctl, string json, string artifacts])
{
    Console.Error.WriteLine("usage: Cow.Bench COWCTL JSON ARTIFACTS: measures the formats, writes the figures to JSON, and fails where a bar is missed");
    Console.Error.WriteLine("       Cow.Bench devices RESULTS JSON: the same of what tests/vm/bench.sh has measured");
    return 2;
}

const string memory = "/dev/shm";
Directory.CreateDirectory(artifacts);
string folder = Path.Combine(Directory.Exists(memory) ? memory : Path.GetTempPath(), $"cow-bench-{Environment.ProcessId}");
Directory.CreateDirectory(folder);
try
{
    (FormatBenchmarks.Image, FormatBenchmarks.Scratch) = (Path.Combine(folder, "large"), Path.Combine(folder, "scratch"));
    LargeImage.Make(FormatBenchmarks.Image);
    LargeImage.Make(FormatBenchmarks.Scratch);
    List<Bar> bars = [];
    foreach (Bar bar in MicroRuns.Run(artifacts).Concat(new ConvertRuns(cowctl, folder).Run(FormatBenchmarks.Image)))
    {
        bars.Add(bar);
        Report.Print(bar);
    }
    Report.Write(json, bars);
    foreach (Bar missed in bars.Where(static bar => !bar.Met))
    {
        Console.Error.WriteLine($"missed: {missed.Name}");
    }
    return bars.TrueForAll(static bar => bar.Met) ? 0 : 1;
}
finally
{
    Directory.Delete(folder, recursive: true);
}
