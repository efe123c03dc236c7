// SPDX-License-Identifier: MIT
using System.Text.Json;
using System.Text.Json.Serialization;
using Cow.Controller.Cli.Doctor;
using Cow.Controller.Cli.Images;
using Cow.Controller.Cli.Stores;
using Cow.Controller.Cli.Tables;
using Cow.Controller.Ipc;

namespace Cow.Controller.Cli.Output;

/// <summary>
/// What <c>--json</c> prints. Field names are those of the records, in camelCase; they are listed in the manual page and stay. A device's are
/// those of <see cref="DeviceReport"/>, so adding a field there adds it here.
/// </summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    GenerationMode = JsonSourceGenerationMode.Metadata)]
[JsonSerializable(typeof(DeviceList))]
[JsonSerializable(typeof(DeviceReport))]
[JsonSerializable(typeof(ExplainReport))]
[JsonSerializable(typeof(CompactReport))]
[JsonSerializable(typeof(DaemonReport))]
[JsonSerializable(typeof(TableReport))]
[JsonSerializable(typeof(DoctorReport))]
[JsonSerializable(typeof(FormatReport))]
[JsonSerializable(typeof(StoreCheckReport))]
[JsonSerializable(typeof(ImageReport))]
internal sealed partial class CliJson : JsonSerializerContext
{
    /// <summary>Writes one document and a line end.</summary>
    public static void Write<T>(TextWriter output, T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type) =>
        output.WriteLine(JsonSerializer.Serialize(value, type));
}
