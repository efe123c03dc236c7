// SPDX-License-Identifier: MIT
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Cow.DmIoctl.Abi;
using NUnit.Framework;

namespace Cow.DmIoctl.Tests;

/// <summary>The C headers are the truth; the C compiler is asked whether our mirror agrees.</summary>
[Parallelizable(ParallelScope.Children)]
internal sealed partial class AbiTests
{
    private static readonly Assembly Product = typeof(CowChannel).Assembly;

    private static IEnumerable<Type> Structs() =>
        Product.GetTypes().Where(type => type.GetCustomAttribute<CStructAttribute>() is not null);

    private static IEnumerable<Type> ConstantTypes() =>
        Product.GetTypes().Where(type => type.GetCustomAttribute<CConstantsAttribute>() is not null);

    [TestCaseSource(nameof(Structs))]
    public void AStructHasTheLayoutOfItsHeader(Type type) =>
        Assert.That(CCompiler.Complaints(CMirror.AssertStruct(type)), Is.Empty);

    [TestCaseSource(nameof(ConstantTypes))]
    public void ConstantsHaveTheValuesOfTheirHeader(Type type) =>
        Assert.That(CCompiler.Complaints(CMirror.AssertConstants(type)), Is.Empty);

    [TestCase(typeof(ShrunkEvent), "reserved: size")]
    [TestCase(typeof(SwappedEvent), "chunk: offset")]
    [TestCase(typeof(ShortEvent), "ShortEvent: size")]
    public void AStructThatDiffersIsFound(Type type, string complaint) =>
        Assert.That(CCompiler.Complaints(CMirror.AssertStruct(type)), Does.Contain(complaint));

    [Test]
    public void AConstantThatDiffersIsFound() =>
        Assert.That(CCompiler.Complaints(CMirror.AssertConstants(typeof(WrongEvents))), Does.Contain("DM_COW_EV_PLACED"));

    [Test]
    public void EveryStructWithALayoutNamesItsHeader()
    {
        var forgotten = Directory.EnumerateFiles(RepoFiles.Path("src/Cow.DmIoctl"), "*.cs", SearchOption.AllDirectories)
            .Where(file => LayoutWithoutHeader().IsMatch(File.ReadAllText(file)));
        Assert.That(forgotten, Is.Empty);
    }

    [Test]
    public void EveryMutableStructMirrorsC()
    {
        var forgotten = Product.GetTypes().Where(type =>
            type is { IsValueType: true, IsEnum: false, Namespace: "Cow.DmIoctl" or "Cow.DmIoctl.Abi" }
            && type.GetCustomAttribute<CompilerGeneratedAttribute>() is null
            && type.GetCustomAttribute<IsReadOnlyAttribute>() is null
            && type.GetCustomAttribute<InlineArrayAttribute>() is null
            && type.GetCustomAttribute<CStructAttribute>() is null);
        Assert.That(forgotten, Is.Empty);
    }

    [Test]
    public void EverySetOfNumbersInAbiNamesItsHeader()
    {
        var forgotten = Product.GetTypes().Where(type => type.Namespace == "Cow.DmIoctl.Abi"
            && (type.IsEnum || type.Name.EndsWith("Numbers", StringComparison.Ordinal))
            && type.GetCustomAttribute<CConstantsAttribute>() is null);
        Assert.That(forgotten, Is.Empty);
    }

    [Test]
    public void EveryNumberOfTheProtocolHeaderIsMirrored()
    {
        string header = File.ReadAllText(RepoFiles.Path("kernel-shim/include/uapi/linux/dm-cow.h"));
        var defined = Define().Matches(header).Select(match => match.Groups[1].Value);
        var mirrored = ConstantTypes()
            .SelectMany(type => CMirror.Constants(type, type.GetCustomAttribute<CConstantsAttribute>()!.Prefix))
            .Select(constant => constant.Name);
        Assert.That(defined.Except(mirrored), Is.Empty);
    }

    [Test]
    public void EveryFieldOfTheProtocolIsMirrored()
    {
        var sizes = Structs().Where(type => type.GetCustomAttribute<CStructAttribute>()!.Header == "linux/dm-cow.h")
            .Select(type => (type, type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
                .Sum(field => (int)typeof(Unsafe).GetMethod("SizeOf")!.MakeGenericMethod(field.FieldType).Invoke(null, null)!),
                (int)typeof(Unsafe).GetMethod("SizeOf")!.MakeGenericMethod(type).Invoke(null, null)!));
        Assert.That(sizes.Where(size => size.Item2 != size.Item3), Is.Empty, "padding, or a field left out");
    }

    [GeneratedRegex(@"\[StructLayout[^\]]*\](?>\s*)(?!\[CStruct)")]
    private static partial Regex LayoutWithoutHeader();

    [GeneratedRegex(@"^#define\s+(DM_COW_\w+)\s", RegexOptions.Multiline)]
    private static partial Regex Define();

    // A shrunk last field hides in the tail padding: sizeof alone does not see it.
    [StructLayout(LayoutKind.Sequential)]
    [CStruct("struct dm_cow_event", "linux/dm-cow.h")]
    private struct ShrunkEvent
    {
        public uint Type, Flags;
        public ulong Id, Chunk, Count, Number, Sector;
        public uint Device, Error;
        public uint Reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CStruct("struct dm_cow_event", "linux/dm-cow.h")]
    private struct SwappedEvent
    {
        public uint Type, Flags;
        public ulong Id, Count, Chunk, Number, Sector;
        public uint Device, Error;
        public ulong Reserved;
    }

    [StructLayout(LayoutKind.Sequential)]
    [CStruct("struct dm_cow_event", "linux/dm-cow.h")]
    private struct ShortEvent
    {
        public uint Type, Flags;
    }

    [CConstants("linux/dm-cow.h", "DM_COW_EV_")]
    private enum WrongEvents
    {
        Placed = 5,
    }
}
