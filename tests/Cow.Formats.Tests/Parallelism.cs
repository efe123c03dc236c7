// SPDX-License-Identifier: MIT
// A fixture shares nothing with others: as many at once as there are processors.
[assembly: Parallelizable(ParallelScope.Fixtures)]
