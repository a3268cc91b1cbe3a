using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Posthouse.Plugs;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

/// <summary>Whatever an administrator's or a user's file holds, it is read or refused with its place, never by an exception.</summary>
public sealed class HostileTextTests
{
    [Fact]
    public void Any_bytes_are_a_table_file_or_its_errors() =>
        Gen.OneOf(Gen.Byte.Array[0, 60], Gen.String[Gen.Char["ab:#@[] \t\r\n\\\0"], 0, 40].Select(Encoding.UTF8.GetBytes)).Sample(bytes =>
        {
            TableFile file = TableFile.Parse(bytes, "/t");
            if (file.Errors.Count > 0)
                return file.Entries.Count == 0 && file.Errors.All(error => error.Line > 0 && error.Column > 0);
            return file.Entries.All(entry => entry.Key.Length > 0 && !entry.Key.Any(c => c < 32 && c != 9) && (file.Kind == TableKind.List) == entry.Value is null && entry.Value != "");
        });

    [Fact]
    public void Any_text_is_a_list_of_elements_or_refused() =>
        Gen.String[Gen.Char["ab@.|/:,\"'\\ include:error:5\n\t#+-"], 0, 40].Sample(text =>
        {
            if (!ExpansionList.TryParse(text, out IReadOnlyList<ExpansionElement> elements, out string error))
                return error.Length > 0;
            return elements.All(element => element.Text.Length > 0 && !element.Text.Contains('\n'));
        });

    [Fact]
    public void Any_expression_is_translated_into_a_valid_one_or_refused() =>
        Gen.Select(Gen.String[Gen.Char["ab[]^-(){}|*+?.,12\\$:=wd<é"], 0, 14], Gen.String[Gen.Char["ab1-^ é\n"], 0, 10]).Sample((expression, subject) =>
        {
            if (!PosixPattern.TryTranslate(expression, out string pattern, out string error))
                return error.Length > 0;
            Regex regex = new(pattern, RegexOptions.NonBacktracking);
            return regex.Count(subject) >= 0 && new TableContent(TableKind.List, [new(expression)]).Problems(TableService.Regex).Count == 0;
        });

    [Fact]
    public void Any_key_is_answered_by_any_service() =>
        Gen.Select(Gen.String[Gen.Char["a1.:/[]@*+%"], 0, 12], Gen.String[Gen.Char["a1.:/[]@*+%"], 0, 12]).Sample((entry, key) =>
        {
            TableContent content = new(TableKind.List, [new(entry)]);
            return Enum.GetValues<TableService>().All(service => content.Check(service, key).Status != TableStatus.Error);
        });
}
