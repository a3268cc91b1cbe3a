namespace Posthouse.Server.Hosting.Trials;

/// <summary>A line of the dialogue of a <see cref="FilterTrial"/>.</summary>
/// <param name="Source">Who says it.</param>
/// <param name="Text">The line without its end, printable.</param>
public readonly record struct TrialLine(TrialSource Source, string Text)
{
    /// <summary>The line behind a mark for its source: <c>&gt;</c> to the filter, <c>&lt;</c> from it, <c>!</c> its errors, <c>C:</c> and <c>S:</c> SMTP, <c>*</c> the rest.</summary>
    public override string ToString() => Source switch
    {
        TrialSource.ToFilter => "> ",
        TrialSource.FromFilter => "< ",
        TrialSource.FilterErrors => "! ",
        TrialSource.Client => "C: ",
        TrialSource.Server => "S: ",
        _ => "* ",
    } + Text;
}
