// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Doctor;

/// <summary>Something that is not as it should be.</summary>
/// <param name="Object">What it is about.</param>
/// <param name="Reason">What is wrong.</param>
/// <param name="Cure">What to do about it.</param>
internal sealed record Finding(string Object, string Reason, string Cure)
{
    public override string ToString() => $"{Object}: {Reason}; {Cure}";
}
