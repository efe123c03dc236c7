// SPDX-License-Identifier: MIT
namespace Cow.Formats.Tests.Images.Toy;

/// <summary>The contract sees each fault that a toy format makes by intent.</summary>
[TestFixture]
internal sealed class ContractTests
{
    [TestCase(ToyFault.NamesPlacesEarly, nameof(ImageFormatContract.APowerCutLosesNothingThatWasFlushed))]
    [TestCase(ToyFault.NamesPlacesEarly, nameof(ImageFormatContract.ReservingWritesNothing))]
    [TestCase(ToyFault.ForgetsToFlush, nameof(ImageFormatContract.APowerCutLosesNothingThatWasFlushed))]
    [TestCase(ToyFault.GivesPlacesTwice, nameof(ImageFormatContract.NoPlaceIsGivenTwice))]
    [TestCase(ToyFault.GivesPlacesTwice, nameof(ImageFormatContract.ARandomHistoryIsReadBack))]
    [TestCase(ToyFault.BelievesEntries, nameof(ImageFormatContract.AMutantDoesNoHarm))]
    [TestCase(ToyFault.WritesHalfSectors, nameof(ImageFormatContract.APowerCutLosesNothingThatWasFlushed))]
    [TestCase(ToyFault.Litters, nameof(ImageFormatContract.LookingUpAndReservingLeaveNoGarbage))]
    [TestCase(ToyFault.TellsNoTable, nameof(ImageFormatContract.ACommitWritesNothingThatWasNotTold))]
    [TestCase(ToyFault.ChecksNothing, nameof(ImageFormatContract.AMutantDoesNoHarm))]
    public void AFaultIsSeen(ToyFault fault, string test)
    {
        ToyContractTests contract = new(fault);
        using (new NUnit.Framework.Internal.TestExecutionContext.IsolatedContext())
        {
            Assert.That(() => typeof(ImageFormatContract).GetMethod(test)!.Invoke(contract, null), Throws.TargetInvocationException, "the contract is content");
        }
    }
}
