// SPDX-License-Identifier: MIT
using Cow.Bench;
using Cow.Bench.Devices;

if (args is ["devices", string devices, string tables, string measured, .. string[] kernels])
{
    return new DeviceReport([.. kernels.Select(kernel => KernelRuns.Read(Path.Combine(measured, kernel + ".txt")))]).Write(devices, tables, measured) ? 0 : 1;
}

if (args is not [string cowctl, string json, string artifacts])
{
    Console.Error.WriteLine("usage: Cow.Bench COWCTL JSON ARTIFACTS: measures the formats, writes the figures to JSON, and fails where a bar is missed");
    Console.Error.WriteLine("       Cow.Bench devices JSON MARKDOWN FOLDER KERNEL...: the same of what guests have measured, FOLDER/KERNEL.txt");
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
