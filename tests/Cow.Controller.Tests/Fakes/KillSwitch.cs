// SPDX-License-Identifier: MIT
namespace Cow.Controller.Tests.Fakes;

/// <summary>Ends a controller at its n-th write, to the store or to the kernel: from then on nothing that it does has an effect.</summary>
internal sealed class KillSwitch
{
    private int _left = int.MaxValue;

    public bool Dead { get; private set; }

    public void KillAfter(int operations) => _left = operations;

    public void Kill() => Dead = true;

    public void Hit()
    {
        Dead |= _left-- <= 0;
        if (Dead)
        {
            throw new IOException("killed");
        }
    }
}
