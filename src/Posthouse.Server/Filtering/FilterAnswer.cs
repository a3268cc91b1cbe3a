namespace Posthouse.Server.Filtering;

/// <summary>What one filter said.</summary>
internal readonly record struct FilterAnswer(FilterAnswerKind Kind, string? Text = null)
{
    internal static FilterAnswer Proceed => default;
}
