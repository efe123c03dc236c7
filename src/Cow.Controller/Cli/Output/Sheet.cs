// SPDX-License-Identifier: MIT
namespace Cow.Controller.Cli.Output;

/// <summary>Rows and columns, not yet in any form. Without headers it is a list of labels and values.</summary>
internal sealed class Sheet(params Column[] columns)
{
    private readonly List<Cell[]> _rows = [];

    public IReadOnlyList<Column> Columns { get; } = columns;

    public IReadOnlyList<Cell[]> Rows => _rows;

    public bool HasHeaders => Columns.Any(static column => column.Header.Length > 0);

    public void Add(params Cell[] row) => _rows.Add(row);

    /// <summary>A row of the two columns of a list.</summary>
    public void Add(string label, string value, Tone tone = Tone.Normal) =>
        _rows.Add([new Cell(label, Tone.Quiet), new Cell(value, tone)]);
}
