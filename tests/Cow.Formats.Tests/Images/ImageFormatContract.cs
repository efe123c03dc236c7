// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images;

/// <summary>
/// What holds for every format of disk images. A format's fixture inherits it, and says which driver it is and in which variants its images are made:
/// every history takes the next one.
/// </summary>
/// <remarks>Random tests print their seed. COW_TEST_SEED sets it, COW_TEST_HISTORIES and COW_TEST_MUTANTS how much is tried.</remarks>
internal abstract partial class ImageFormatContract : ImageFixture
{
    /// <summary>QEMU's name of the format; null where it does not know it, or reads it wrongly.</summary>
    protected virtual string? QemuFormat => Driver.QemuName;

    /// <summary>Whether qemu-img check judges the format.</summary>
    protected virtual bool QemuChecks => true;

    protected static int Seed => Setting("COW_TEST_SEED", 20260101);

    /// <summary>Draws from a seed that the test's output names.</summary>
    protected static Random NewRandom(int history)
    {
        TestContext.Out.WriteLine($"COW_TEST_SEED={Seed}, history {history}");
        return new Random(unchecked((Seed * 1_000_003) + history));
    }

    protected static int Setting(string variable, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), out int value) ? value : otherwise;
}
