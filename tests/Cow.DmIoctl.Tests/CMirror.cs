// SPDX-License-Identifier: MIT
using System.Globalization;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using Cow.DmIoctl.Abi;

namespace Cow.DmIoctl.Tests;

/// <summary>Writes the C program that says of a mirrored type what our side believes.</summary>
internal static partial class CMirror
{
    private const BindingFlags Instance = BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic;
    private const BindingFlags Static = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>Size of the struct, then offset and size of every field.</summary>
    public static string AssertStruct(Type type)
    {
        var mirror = type.GetCustomAttribute<CStructAttribute>()!;
        var c = Head(mirror.Header);
        Line(c, $"sizeof({mirror.Name}) == {SizeOf(type)}", $"{type.Name}: size");
        foreach (var field in type.GetFields(Instance))
        {
            if (Source(field).GetCustomAttribute<CNoneAttribute>() is not null)
            {
                continue;
            }

            string name = Source(field).GetCustomAttribute<CNameAttribute>()?.Name
                ?? Snake(Source(field).Name).ToLowerInvariant();
            Line(c, $"offsetof({mirror.Name}, {name}) == {OffsetOf(type, field)}", $"{type.Name}.{name}: offset");
            Line(c, $"sizeof((({mirror.Name} *)0)->{name}) == {SizeOf(field.FieldType)}", $"{type.Name}.{name}: size");
        }

        return c.ToString();
    }

    /// <summary>The value of every constant.</summary>
    public static string AssertConstants(Type type)
    {
        var mirror = type.GetCustomAttribute<CConstantsAttribute>()!;
        var c = Head(mirror.Header);
        foreach (var (name, value) in Constants(type, mirror.Prefix))
        {
            Line(c, $"(unsigned long long)({name}) == 0x{value:x}ULL", $"{type.Name}: {name}");
        }

        return c.ToString();
    }

    /// <summary>C names and values.</summary>
    public static IEnumerable<(string Name, ulong Value)> Constants(Type type, string prefix) =>
        from field in type.GetFields(Static)
        where !field.IsPrivate && field.GetCustomAttribute<CNoneAttribute>() is null
        let given = field.GetCustomAttribute<CNameAttribute>()?.Name
        where given is not null || field.Name != "None"
        select (given ?? prefix + Snake(field.Name).ToUpperInvariant(), Value(field.GetValue(null)!));

    private static StringBuilder Head(string header) => new(
        $"#define _GNU_SOURCE\n#include <stddef.h>\n#include <linux/ioctl.h>\n#include <{header}>\n");

    private static void Line(StringBuilder c, string truth, string otherwise) =>
        c.Append(CultureInfo.InvariantCulture, $"_Static_assert({truth}, \"{otherwise}\");\n");

    private static ulong Value(object value) => value is Enum
        ? Value(Convert.ChangeType(value, Enum.GetUnderlyingType(value.GetType()), CultureInfo.InvariantCulture))
        : value is ulong big ? big : unchecked((ulong)Convert.ToInt64(value, CultureInfo.InvariantCulture));

    // The property of an automatic one, else the field itself.
    private static MemberInfo Source(FieldInfo field) =>
        BackingField().Match(field.Name) is { Success: true } match
            ? field.DeclaringType!.GetProperty(match.Groups[1].Value, Instance)!
            : field;

    private static string Snake(string name) => WordStart().Replace(name, "$1_$2");

    private static int SizeOf(Type type) => (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!
        .MakeGenericMethod(type).Invoke(null, null)!;

    // As the runtime lays it out, not as it would be marshalled.
    private static long OffsetOf(Type type, FieldInfo field)
    {
        var method = new DynamicMethod("OffsetOf", typeof(long), [type.MakeByRefType()], typeof(CMirror).Module, true);
        var il = method.GetILGenerator();
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Ldflda, field);
        il.Emit(OpCodes.Conv_I8);
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Conv_I8);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Ret);
        return (long)method.Invoke(null, [Activator.CreateInstance(type)])!;
    }

    [GeneratedRegex("^<(.+)>k__BackingField$")]
    private static partial Regex BackingField();

    [GeneratedRegex("([a-z][0-9]*)([A-Z])")]
    private static partial Regex WordStart();
}
