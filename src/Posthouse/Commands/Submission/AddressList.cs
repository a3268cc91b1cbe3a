using System.Text;

namespace Posthouse.Commands.Submission;

/// <summary>Finds the addresses in the value of a To, Cc or Bcc field (RFC 5322 3.4): display names, comments, groups and routes are left out.</summary>
public static class AddressList
{
    /// <summary>The addresses in order, as they would stand between the brackets of RCPT. What is no address at all is left to the server to refuse.</summary>
    public static IReadOnlyList<string> Parse(string value)
    {
        List<string> addresses = [];
        StringBuilder plain = new();
        StringBuilder? bracketed = null;
        bool inBrackets = false;
        for (int index = 0; index < value.Length; index++)
        {
            char character = value[index];
            StringBuilder current = inBrackets ? bracketed! : plain;
            switch (character)
            {
                case '"':
                    int end = EndOfQuoted(value, index);
                    current.Append(value, index, end - index);
                    index = end - 1;
                    break;
                case '(':
                    index = EndOfComment(value, index) - 1;
                    break;
                case '<' when !inBrackets:
                    bracketed = new StringBuilder();
                    inBrackets = true;
                    break;
                case '>' when inBrackets:
                    inBrackets = false;
                    break;
                case ':' when inBrackets && current.Length > 0 && current[0] == '@':
                    // A source route; only what it leads to counts (RFC 5321 appendix C).
                    current.Clear();
                    break;
                case ':' when !inBrackets:
                    plain.Clear();
                    break;
                case ',' or ';' when !inBrackets:
                    Add();
                    break;
                case ' ' or '\t' or '\r' or '\n':
                    break;
                default:
                    current.Append(character);
                    break;
            }
        }
        Add();
        return addresses;

        void Add()
        {
            string address = (bracketed ?? plain).ToString();
            if (address.Length > 0)
                addresses.Add(address);
            plain.Clear();
            bracketed = null;
            inBrackets = false;
        }
    }

    private static int EndOfQuoted(string value, int start)
    {
        for (int index = start + 1; index < value.Length; index++)
        {
            if (value[index] == '\\')
                index++;
            else if (value[index] == '"')
                return index + 1;
        }
        return value.Length;
    }

    private static int EndOfComment(string value, int start)
    {
        int depth = 0;
        for (int index = start; index < value.Length; index++)
        {
            if (value[index] == '\\')
                index++;
            else if (value[index] == '(')
                depth++;
            else if (value[index] == ')' && --depth == 0)
                return index + 1;
        }
        return value.Length;
    }
}
