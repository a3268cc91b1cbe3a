<?php

/*
 * Filters for Posthouse in plain PHP: one file, PHP 8.0 or later (php-cli), no extension needed.
 *
 *     require 'posthouse.php';
 *     use function Posthouse\reject;
 *
 *     $filter = new Posthouse\Filter();
 *     $filter->on('rcpt-to', fn ($session, $address) => str_starts_with($address, 'spam') ? reject('550 5.7.1 no spam') : null);
 *     $filter->run();
 *
 * The protocol is smtpd-filters(7) in the versions 0.1 to 0.7, so OpenSMTPD runs the same scripts; where the server offers
 * them, messages travel in blocks (docs/filters/php.md says what a filter can rely on). All text is bytes, as it came.
 */

declare(strict_types=1);

namespace Posthouse;

/** The phases that a filter can decide, and what their handlers get after the session. */
const PHASES = [
    'connect' => ['rdns', 'ip'], 'helo' => ['identity'], 'ehlo' => ['identity'], 'starttls' => [], 'auth' => ['argument'],
    'mail-from' => ['address'], 'rcpt-to' => ['address'], 'data' => [], 'commit' => [], 'rset' => [], 'quit' => [], 'noop' => [],
];

/** The events that are reported, and the properties that they have. */
const EVENTS = [
    'link-connect' => ['rdns', 'fcrdns', 'src', 'dest'], 'link-greeting' => ['hostname'],
    'link-identify' => ['method', 'identity'], 'link-tls' => ['tls'], 'link-auth' => ['result', 'user'],
    'link-disconnect' => [], 'tx-begin' => ['messageId'], 'tx-mail' => ['messageId', 'result', 'address'],
    'tx-rcpt' => ['messageId', 'result', 'address'], 'tx-envelope' => ['messageId', 'envelopeId'],
    'tx-data' => ['messageId', 'result'], 'tx-commit' => ['messageId', 'size'], 'tx-rollback' => ['messageId'],
    'tx-reset' => ['messageId'], 'protocol-client' => ['line'], 'protocol-server' => ['line'],
    'filter-report' => ['kind', 'filter', 'text'], 'filter-response' => ['phase', 'decision', 'parameter'], 'timeout' => [],
];

/** What the properties of a session are made of; those of link-connect are always there. */
const NEEDS = [
    'helo' => ['link-identify'], 'tls' => ['link-tls'], 'user' => ['link-auth'], 'messageId' => ['tx-begin', 'tx-reset'],
    'sender' => ['tx-mail', 'tx-reset'], 'recipients' => ['tx-rcpt', 'tx-reset'],
];

/** The answer to a request: its keyword in the protocol, and its parameter or null. */
final class Decision
{
    public ?string $text;

    public function __construct(public string $name, ?string $text = null)
    {
        // An answer is one line: a line end in a parameter would let a client's bytes forge the next answer.
        $this->text = $text === null ? null : preg_replace('/[\r\n\0]+/', ' ', $text);
    }

    /** @internal */
    public static function reply(string $name, string $code, string $text): self
    {
        return new self($name, preg_match('/^[45][0-9]{2} ./', $text) === 1 ? $text : "$code $text");
    }
}

/** Goes on as if there were no filter; the same as returning null. */
function accept(): Decision
{
    return new Decision('proceed');
}

/** Refuses with this reply. A text without a reply code (4NN or 5NN) gets 550. */
function reject(string $text = '550 5.7.1 Refused'): Decision
{
    return Decision::reply('reject', '550', $text);
}

/** Replies and closes the connection. A text without a reply code gets 421. */
function disconnect(string $text = '421 4.7.0 Goodbye'): Decision
{
    return Decision::reply('disconnect', '421', $text);
}

/** Goes on, and marks the message (every message, if none is open) with `X-Spam: Yes`. Not at commit. */
function junk(): Decision
{
    return new Decision('junk');
}

/** Goes on with this parameter: of helo, ehlo, auth, mail-from and rcpt-to. An address may lack its <>. */
function rewrite(string $value): Decision
{
    return new Decision('rewrite', $value);
}

/** Goes on, and tells this text to those who listen to the event filter-report. */
function report(string $text): Decision
{
    return new Decision('report', $text);
}

/**
 * One SMTP session, from link-connect to link-disconnect; properties that are not listed here are the author's.
 *
 * @property-read ?string $ip         the client's bare address, null for a local socket
 * @property ?string $helo, $tls, $user, $messageId, $sender     only after Filter::needs('helo', ...), null while unknown
 * @property string[] $recipients     the same, empty while there is none
 */
#[\AllowDynamicProperties]
final class Session
{
    /** For the author's state. */
    public array $data = [];
    /** Whether the session is older than this process: what requests alone told is lost then. */
    public bool $replayed = false;
    /** The client's name or `<unknown>`, and whether it is confirmed: pass, fail or error. */
    public ?string $rdns = null, $fcrdns = null;
    /** address:port of the client and of the server. */
    public ?string $src = null, $dest = null;
    /** @internal */
    public ?Decision $verdict = null;

    /** @param string $id 16 hexadecimal digits */
    public function __construct(public string $id, array $known = [])
    {
        foreach ($known as $name) {
            $this->$name = $name === 'recipients' ? [] : null;
        }
    }

    public function __get(string $name): mixed
    {
        if ($name === 'ip') {
            if ($this->src === null || str_starts_with($this->src, 'unix:')) {
                return null;
            }
            return $this->src[0] === '[' ? substr($this->src, 1, strcspn($this->src, ']') - 1) : explode(':', $this->src)[0];
        }
        throw new \LogicException(isset(NEEDS[$name]) ? "\$session->$name has to be asked for: \$filter->needs('$name')" : "the session has no $name");
    }

    /** So that `$session->count ??= 0` asks, and does not read. */
    public function __isset(string $name): bool
    {
        return $name === 'ip' && $this->ip !== null;
    }

    /** @internal */
    public function learn(string $name, mixed $value): void
    {
        if (property_exists($this, $name)) {
            $this->$name = $value;
        }
    }
}

/**
 * Something that was reported. Besides the properties below it has those that EVENTS lists for its name, null where the
 * server did not say them.
 */
#[\AllowDynamicProperties]
final class Event
{
    /** Whether it came before this process was started, and is told again. */
    public bool $replayed = false;

    /**
     * @param string $name as `tx-commit`
     * @param string $subsystem as `smtp-in`
     * @param float $time seconds since 1970
     * @param string[] $params all that stands after the session
     */
    public function __construct(public string $name, public string $subsystem, public float $time, public array $params)
    {
        foreach (EVENTS[$name] ?? [] as $i => $field) {
            $this->$field = $params[$i] ?? null;
        }
        if ($name === 'tx-commit' && $this->size !== null && ctype_digit($this->size)) {
            $this->size = (int) $this->size;
        }
    }
}

/** @internal A message that is coming in. */
final class Mail
{
    /** What data-line brought and nobody has handled yet. */
    public array $lines = [];
    /** For handlers of whole messages: lines, or the blocks of bulk mode. */
    public array $kept = [];
    /** The beginning of a line whose end is in the next block. */
    public string $rest = '';
    public bool $header = true, $failed = false;

    public function __construct(public string $id, public Session $session, public string $token, public string $prefix)
    {
    }
}

/**
 * A filter: on, lines, message, observe and report register handlers; run serves.
 *
 * What a handler throws goes to standard error, which the server logs, and its request is answered with 451. With
 * onError: 'crash' the process ends instead, for the server to restart it and to apply its on-failure.
 */
final class Filter
{
    private const REWRITABLE = ['helo', 'ehlo', 'auth', 'mail-from', 'rcpt-to'];
    private const BLOCK = 262144;   // bytes read at once
    private const CHUNK = 65536;    // the protocol's limit of one payload

    /** What the server said of itself; values of a key said twice are joined by commas. */
    public array $config = [];

    private array $phases = [];
    private ?\Closure $header = null, $gap = null, $body = null, $message = null, $observe = null;
    private array $reports = [];    // subsystem -> event -> handlers
    private array $needs = [];
    private array $known = [];
    private array $sessions = [];
    private array $mails = [];      // session id -> Mail
    private string $out = '';
    private string $bulk = '';      // '', 'bulk' or 'bulk-observe'
    private ?float $replayUntil = null;
    private string $wireVersion = '0.7';
    private int $version = 7;
    private Decision $failed;
    /** @var resource */
    private $input;
    /** @var resource */
    private $output;

    public function __construct(private string $onError = 'tempfail')
    {
        if ($onError !== 'tempfail' && $onError !== 'crash') {
            throw new \ValueError('onError is tempfail or crash');
        }
        $this->failed = reject('451 4.3.0 Temporary failure');
    }

    // Registration

    /** Decides one phase, or several given as an array: handler(session, ...parameters) returns a decision or null. */
    public function on(string|array $phases, callable $handler): static
    {
        foreach ((array) $phases as $phase) {
            $parameters = PHASES[$phase] ?? throw new \ValueError("no phase '$phase', there are " . implode(', ', array_keys(PHASES)));
            if (isset($this->phases[$phase])) {
                throw new \LogicException("$phase has a handler already");
            }
            $this->phases[$phase] = [$this->check($handler, "a handler of $phase", ['session', ...$parameters]), count($parameters)];
        }
        return $this;
    }

    /**
     * Changes the lines of messages, one by one: handler(session, line) returns the new line, several (any iterable), null
     * to drop it, or reject(...) or disconnect(...), which is answered at the end of the message. Lines have no line end.
     * part: 'header' or part: 'body' gives only that part, and never the empty line between them.
     */
    public function lines(callable $handler, string $part = 'all'): static
    {
        if (!in_array($part, ['all', 'header', 'body'], true)) {
            throw new \ValueError('lines are of the header, the body, or all');
        }
        $handler = $this->check($handler, 'a handler of lines', ['session', 'line']);
        if ($this->message || ($part !== 'body' && $this->header) || ($part !== 'header' && $this->body)) {
            throw new \LogicException('these lines have a handler already');
        }
        if ($part !== 'body') {
            $this->header = $handler;
        }
        if ($part !== 'header') {
            $this->body = $handler;
        }
        if ($part === 'all') {
            $this->gap = $handler;
        }
        return $this;
    }

    /**
     * Changes whole messages: handler(session, message) returns the new message, null for unchanged, junk(), or reject(...)
     * or disconnect(...), which is answered right afterwards, at commit. Lines end with CRLF; those of the new one may end
     * with LF.
     */
    public function message(callable $handler): static
    {
        if ($this->message || $this->header || $this->body) {
            throw new \LogicException('messages have a handler already');
        }
        $this->message = $this->check($handler, 'a handler of messages', ['session', 'message']);
        return $this;
    }

    /**
     * Only looks at messages, which go on meanwhile: handler(session, message) returns null, or reject(...) or
     * disconnect(...). Cheaper than message where the server offers it.
     */
    public function observe(callable $handler): static
    {
        if ($this->observe) {
            throw new \LogicException('messages have an observer already');
        }
        $this->observe = $this->check($handler, 'a handler of messages', ['session', 'message']);
        return $this;
    }

    /**
     * Is told of an event, of several given as an array, or of all ('*'): handler(session, event). With
     * subsystem: 'smtp-out' of those when this server is the client.
     */
    public function report(string|array $events, callable $handler, string $subsystem = 'smtp-in'): static
    {
        $handler = $this->check($handler, 'a handler of reports', ['session', 'event']);
        foreach ((array) $events as $event) {
            if (!isset(EVENTS[$event]) && $event !== '*') {
                throw new \ValueError("no event '$event', there are " . implode(', ', array_keys(EVENTS)));
            }
            $this->reports[$subsystem][$event][] = $handler;
        }
        return $this;
    }

    /**
     * Asks for properties of sessions: helo, tls, user, messageId, sender, recipients. They come from reports, so that a
     * restarted filter has them again.
     */
    public function needs(string ...$properties): static
    {
        foreach ($properties as $name) {
            if (isset(NEEDS[$name])) {
                $this->needs[$name] = $name;
            } elseif (!in_array($name, ['rdns', 'fcrdns', 'src', 'dest', 'ip'], true)) {
                throw new \ValueError("no property '$name', there are " . implode(', ', array_keys(NEEDS)));
            }
        }
        return $this;
    }

    private function check(callable $handler, string $what, array $parameters): \Closure
    {
        $closure = \Closure::fromCallable($handler);
        if ((new \ReflectionFunction($closure))->getNumberOfRequiredParameters() > count($parameters)) {
            throw new \ArgumentCountError("$what takes (\$" . implode(', $', $parameters) . ')');
        }
        return $closure;
    }

    // The process

    /** Serves until the server closes standard input. */
    public function run(): void
    {
        if (stream_isatty(STDIN)) {
            fwrite(STDERR, "This is a filter, to be run by a mail server. To try it: posthouse filter run COMMAND --mail FILE\n");
        }
        ini_set('memory_limit', '-1');
        ini_set('display_errors', 'stderr');
        ini_set('log_errors', '0');
        // The protocol keeps the two descriptors for itself, so that what the author prints goes to the log, and programs
        // that the author starts cannot read what is meant for the filter. A new descriptor takes the lowest free number.
        $this->input = fopen('php://fd/0', 'r');
        $this->output = fopen('php://fd/1', 'w');
        fclose(STDOUT);
        $log = fopen('php://fd/2', 'w');
        fclose(STDIN);
        $nothing = @fopen('/dev/null', 'r');
        stream_set_read_buffer($this->input, 0);
        stream_set_blocking($this->input, true);
        stream_set_blocking($this->output, true);
        // They may be sockets, to which PHP gives a timeout. A filter may be idle for as long as it likes.
        stream_set_timeout($this->input, 1000000);
        stream_set_timeout($this->output, 1000000);
        $rest = $this->configure();
        if ($rest !== null) {
            $this->bulk === '' ? $this->serve($rest) : $this->serveBulk($rest);
        }
    }

    private function read(): string
    {
        do {
            $block = (string) fread($this->input, self::BLOCK);
        } while ($block === '' && !feof($this->input));
        return $block;
    }

    private function configure(): ?string
    {
        $buffer = '';
        while (true) {
            $end = strpos($buffer, "\n");
            if ($end === false) {
                $block = $this->read();
                if ($block === '') {
                    return null;
                }
                $buffer .= $block;
                continue;
            }
            $line = substr($buffer, 0, $end);
            $buffer = substr($buffer, $end + 1);
            if ($this->configuration($line)) {
                $this->register();
                $this->flush();
                return $buffer;
            }
        }
    }

    /** Takes a config line; true when it was the last. */
    private function configuration(string $line): bool
    {
        [, $key, $value] = explode('|', rtrim($line, "\r"), 3) + ['', '', ''];
        if ($key === 'replay-until' && is_numeric($value)) {
            $this->replayUntil = (float) $value;
        }
        $this->config[$key] = isset($this->config[$key]) ? $this->config[$key] . ',' . $value : $value;
        return $key === 'ready';
    }

    private function register(): void
    {
        $lines = $this->header || $this->body;
        $data = $lines || $this->message || $this->observe;
        $phases = array_keys($this->phases);
        if ($phases || $data) {
            $this->reports['smtp-in'] ??= [];
        }
        if ($data) {
            // A message cannot be refused while its lines go through: what a handler said or threw is answered at commit.
            if (!in_array('commit', $phases, true)) {
                $phases[] = 'commit';
            }
            $phases[] = 'data-line';
        }
        sort($this->needs);
        $registered = [];
        foreach ($this->reports as $subsystem => $events) {
            $wanted = [...array_keys($events), 'link-connect', 'link-disconnect'];
            if ($data && $subsystem === 'smtp-in') {
                $wanted[] = 'tx-rollback';
            }
            foreach ($this->needs as $name) {
                array_push($wanted, ...NEEDS[$name]);
            }
            if (in_array('*', $wanted, true)) {
                $wanted = ['*'];
                $registered = array_keys(EVENTS);
            }
            foreach (array_unique($wanted) as $event) {
                $registered[] = $event;
                $this->out .= "register|report|$subsystem|$event\n";
            }
        }
        $this->known = array_keys(array_filter(NEEDS, fn ($events) => array_diff($events, $registered) === []));
        foreach ($phases as $phase) {
            $this->out .= "register|filter|smtp-in|$phase\n";
        }
        if ($data && in_array('bulk', explode(',', $this->config['extension'] ?? ''), true)) {
            $this->bulk = $lines || $this->message ? 'bulk' : 'bulk-observe';
            $this->out .= "register|extension|{$this->bulk}\n";
        }
        $this->out .= "register|ready\n";
    }

    private function flush(): void
    {
        while ($this->out !== '') {
            $written = @fwrite($this->output, $this->out);
            if ($written === false) {
                exit(0);    // nobody is there
            }
            $this->out = $written === strlen($this->out) ? '' : substr($this->out, $written);
        }
    }

    /** Without bulk mode: nothing but lines, of which most are of messages. */
    private function serve(string $rest): void
    {
        $block = '';
        do {
            $lines = explode("\n", $rest . $block);
            $rest = array_pop($lines);
            $active = [];
            foreach ($lines as $line) {
                if (str_starts_with($line, 'filter|')) {
                    $fields = explode('|', $line, 8);
                    if ($fields[4] === 'data-line') {
                        $mail = $this->mails[$fields[5]] ?? null;
                        if ($mail === null || $mail->token !== $fields[6]) {
                            $mail = $this->begin($fields);
                        }
                        $text = $fields[7];
                        if ($text !== '' && $text[0] === '.') {
                            if ($text === '.') {
                                $this->end($mail);
                                continue;
                            }
                            $text = substr($text, 1);
                        }
                        if (!$mail->lines) {
                            $active[] = $mail;
                        }
                        $mail->lines[] = $text;
                    } else {
                        $this->request($fields);
                    }
                } else {
                    $this->other($line);
                }
            }
            foreach ($active as $mail) {
                $this->drain($mail);
            }
            $this->flush();
            $block = $this->read();
        } while ($block !== '');
    }

    /** With bulk mode: lines, some of which are followed by as many bytes as they say. */
    private function serveBulk(string $buffer): void
    {
        do {
            $position = 0;
            while (($end = strpos($buffer, "\n", $position)) !== false) {
                $line = substr($buffer, $position, $end - $position);
                if (str_starts_with($line, 'filter|')) {
                    $fields = explode('|', $line, 8);
                    if ($fields[4] === 'data-bulk') {
                        $length = (int) $fields[7];
                        if (strlen($buffer) - $end <= $length) {
                            break;
                        }
                        $this->chunk($fields, substr($buffer, $end + 1, $length));
                        $end += $length;
                    } else {
                        $this->request($fields);
                    }
                } else {
                    $this->other($line);
                }
                $position = $end + 1;
            }
            $this->flush();
            $block = $this->read();
            $buffer = substr($buffer, $position) . $block;
        } while ($block !== '');
    }

    // Sessions and events

    private function session(string $id): Session
    {
        return $this->sessions[$id] ??= new Session($id, $this->known);
    }

    private function takeVersion(string $version): void
    {
        $this->wireVersion = $version;
        $this->version = preg_match('/^0\.([0-9]+)$/', $version, $match) === 1 ? (int) $match[1] : 7;
    }

    private function failure(\Throwable $exception): void
    {
        fwrite(STDERR, "$exception\n");
        if ($this->onError === 'crash') {
            $this->flush();
            exit(70);
        }
    }

    private function other(string $line): void
    {
        if (str_starts_with($line, 'report|')) {
            $fields = explode('|', $line, 7);
            if (count($fields) > 5) {
                $this->event($fields);
            }
        } elseif (str_starts_with($line, 'config|')) {
            $this->configuration($line);
        }
    }

    private function event(array $fields): void
    {
        [, $version, $time, $subsystem, $name, $id] = $fields;
        if ($version !== $this->wireVersion) {
            $this->takeVersion($version);
        }
        $handlers = $this->reports[$subsystem] ?? [];
        $handlers = [...$handlers[$name] ?? [], ...$handlers['*'] ?? []];
        $time = (float) $time;
        $replayed = $this->replayUntil !== null && $time <= $this->replayUntil;
        if ($name === 'link-connect') {
            unset($this->sessions[$id]);
        } elseif ($name === 'link-disconnect' && !isset($this->sessions[$id]) && !$handlers) {
            return;
        }
        $known = isset($this->sessions[$id]);
        $session = $this->session($id);
        if (!$known) {
            $session->replayed = $replayed;
        }
        if (isset($this->mails[$id])) {
            if ($name === 'tx-rollback' || $name === 'link-disconnect') {
                $this->drop($this->mails[$id]);
            } else {
                $this->drain($this->mails[$id]);
            }
        }
        $event = new Event($name, $subsystem, $time, isset($fields[6]) ? $this->parameters($name, $fields[6]) : []);
        $event->replayed = $replayed;
        $this->track($session, $event);
        foreach ($handlers as $handler) {
            try {
                $handler($session, $event);
            } catch (\Throwable $exception) {
                $this->failure($exception);
            }
        }
        if ($name === 'tx-reset') {
            $session->learn('messageId', null);
            $session->learn('sender', null);
            $session->learn('recipients', []);
        } elseif ($name === 'link-disconnect') {
            unset($this->sessions[$id]);
        }
    }

    /** The parameters in today's order. */
    private function parameters(string $name, string $text): array
    {
        $names = EVENTS[$name] ?? null;
        if ($names === null) {
            return explode('|', $text);
        }
        if ($name === 'link-auth' && $this->version < 7) {
            return [substr(strrchr("|$text", '|'), 1), substr($text, 0, (int) strrpos($text, '|'))];
        }
        if (($name === 'tx-mail' || $name === 'tx-rcpt') && $this->version < 6) {
            [$messageId, $text] = explode('|', $text, 2) + ['', ''];
            return [$messageId, substr(strrchr("|$text", '|'), 1), substr($text, 0, (int) strrpos($text, '|'))];
        }
        return $names ? explode('|', $text, count($names)) : [];
    }

    private function track(Session $session, Event $event): void
    {
        switch ($event->name) {
            case 'link-connect':
                [$session->rdns, $session->fcrdns, $session->src, $session->dest] = [$event->rdns, $event->fcrdns, $event->src, $event->dest];
                break;
            case 'link-identify':
                $session->learn('helo', $event->identity);
                break;
            case 'link-tls':
                $session->learn('tls', $event->tls);
                break;
            case 'link-auth':
                if ($event->result === 'pass') {
                    $session->learn('user', $event->user);
                }
                break;
            case 'tx-begin':
                $session->learn('messageId', $event->messageId);
                break;
            case 'tx-mail':
                if ($event->result === 'ok') {
                    $session->learn('sender', $event->address);
                }
                break;
            case 'tx-rcpt':
                if ($event->result === 'ok' && property_exists($session, 'recipients')) {
                    $session->recipients[] = $event->address;
                }
                break;
            case 'tx-rollback':
                $session->verdict = null;
                break;
        }
    }

    // Requests

    private function request(array $fields): void
    {
        [, $version, , , $phase, $id, $token] = $fields;
        if ($version !== $this->wireVersion) {
            $this->takeVersion($version);
        }
        $session = $this->session($id);
        $decision = null;
        if ($phase === 'commit' && $session->verdict !== null) {
            [$decision, $session->verdict] = [$session->verdict, null];
        } elseif (isset($this->phases[$phase])) {
            [$handler, $count] = $this->phases[$phase];
            try {
                if ($count === 0) {
                    $decision = $handler($session);
                } elseif ($count === 1) {
                    $decision = $handler($session, $fields[7] ?? '');
                } else {
                    $decision = $handler($session, ...array_pad(explode('|', $fields[7] ?? '', $count), $count, ''));
                }
                if ($decision !== null) {
                    $decision = $this->fit($decision, $phase);
                }
            } catch (\Throwable $exception) {
                $this->failure($exception);
                $decision = $this->failed;
            }
        }
        $this->out .= 'filter-result|' . ($this->version >= 5 ? "$id|$token" : "$token|$id") . '|'
            . ($decision === null ? 'proceed' : $decision->name . ($decision->text === null ? '' : "|$decision->text")) . "\n";
    }

    private function fit(mixed $decision, string $phase): Decision
    {
        if (!$decision instanceof Decision) {
            throw new \TypeError("$phase: a handler returns null or a decision such as reject(...), not " . get_debug_type($decision));
        }
        if ($decision->name === 'rewrite') {
            if (!in_array($phase, self::REWRITABLE, true)) {
                throw new \TypeError("$phase: there is nothing to rewrite");
            }
            if (($phase === 'mail-from' || $phase === 'rcpt-to') && !str_starts_with((string) $decision->text, '<')) {
                return rewrite("<$decision->text>");
            }
        } elseif ($decision->name === 'junk' && $phase === 'commit') {
            throw new \TypeError('commit: it is too late for junk');
        }
        return $decision;
    }

    // Messages

    private function begin(array $fields): Mail
    {
        [, $version, , , , $id, $token] = $fields;
        if ($version !== $this->wireVersion) {
            $this->takeVersion($version);
        }
        if (isset($this->mails[$id])) {
            $this->drop($this->mails[$id]);
        }
        $session = $this->session($id);
        $session->verdict = null;
        $prefix = $this->bulk === '' ? 'filter-dataline|' : 'filter-databulk|';
        return $this->mails[$id] = new Mail($id, $session, $token, $prefix . ($this->version >= 5 ? "$id|$token|" : "$token|$id|"));
    }

    /** A block of bulk mode; an empty one ends the message. */
    private function chunk(array $fields, string $data): void
    {
        $mail = $this->mails[$fields[5]] ?? null;
        if ($mail === null || $mail->token !== $fields[6]) {
            $mail = $this->begin($fields);
        }
        if ($this->message || $this->observe) {
            $mail->kept[] = $data;
        }
        if ($this->header || $this->body) {
            if ($data !== '') {
                $lines = explode("\r\n", $mail->rest . $data);
                $mail->rest = array_pop($lines);
            } else {
                $lines = $mail->rest === '' ? [] : [$mail->rest];
            }
            $this->send($mail, self::join($this->transform($mail, $lines)));
        }
        if ($data !== '') {
            return;
        }
        unset($this->mails[$mail->id]);
        if ($this->message || $this->observe) {
            $new = $this->whole($mail, implode('', $mail->kept));
            if ($this->message) {
                $this->send($mail, $new);
            }
        }
        if ($this->bulk === 'bulk') {
            $this->out .= "{$mail->prefix}0\n";
        }
    }

    private function send(Mail $mail, string $data): void
    {
        for ($start = 0; $start < strlen($data); $start += self::CHUNK) {
            $part = substr($data, $start, self::CHUNK);
            $this->out .= $mail->prefix . strlen($part) . "\n" . $part;
        }
    }

    /** Forgets a message that ended before its end. */
    private function drop(Mail $mail): void
    {
        $mail->lines = [];
        unset($this->mails[$mail->id]);
    }

    /** Handles the lines that have come. A message handler waits for all of them. */
    private function drain(Mail $mail): void
    {
        $lines = $mail->lines;
        if (!$lines) {
            return;
        }
        $mail->lines = [];
        if ($this->version < 6) {
            $lines = preg_replace('/\r$/D', '', $lines);
        }
        if ($this->message || $this->observe) {
            array_push($mail->kept, ...$lines);
        }
        if (!$this->message) {
            $this->answer($mail, $this->header || $this->body ? $this->transform($mail, $lines) : $lines);
        }
    }

    private function answer(Mail $mail, array $lines): void
    {
        if ($lines) {
            // A line of an answer begins after its prefix, so one replacement stuffs all dots.
            $between = "\n" . $mail->prefix;
            $this->out .= substr(str_replace("$between.", "$between..", $between . implode($between, $lines)), 1) . "\n";
        }
    }

    private function end(Mail $mail): void
    {
        $this->drain($mail);
        unset($this->mails[$mail->id]);
        if ($this->message || $this->observe) {
            $new = $this->whole($mail, self::join($mail->kept));
            if ($this->message) {
                $lines = explode("\r\n", $new);
                array_pop($lines);
                $this->answer($mail, $lines);
            }
        }
        $this->out .= "{$mail->prefix}.\n";
    }

    private static function join(array $lines): string
    {
        return $lines ? implode("\r\n", $lines) . "\r\n" : '';
    }

    /** What the handlers make of some lines. */
    private function transform(Mail $mail, array $lines): array
    {
        if ($mail->failed) {
            return $lines;
        }
        try {
            if (!$mail->header) {
                return $this->apply($this->body, $mail, $lines);
            }
            $gap = array_search('', $lines, true);
            if ($gap === false) {
                return $this->apply($this->header, $mail, $lines);
            }
            $mail->header = false;
            return [
                ...$this->apply($this->header, $mail, array_slice($lines, 0, $gap)),
                ...$this->apply($this->gap, $mail, ['']),
                ...$this->apply($this->body, $mail, array_slice($lines, $gap + 1)),
            ];
        } catch (\Throwable $exception) {
            // These lines and the rest go on as they are, for the protocol's sake; the message will be refused.
            $mail->failed = true;
            $mail->session->verdict = $this->failed;
            $this->failure($exception);
            return $lines;
        }
    }

    private function apply(?\Closure $handler, Mail $mail, array $lines): array
    {
        if ($handler === null) {
            return $lines;
        }
        $session = $mail->session;
        $result = [];
        foreach ($lines as $line) {
            $new = $handler($session, $line);
            if (is_string($new)) {
                $result[] = $new;
            } elseif ($new instanceof Decision) {
                $this->judge($session, $new);
                $result[] = $line;
            } elseif ($new !== null) {
                foreach ($new as $part) {
                    $result[] = (string) $part;
                }
            }
        }
        if (strpbrk(implode('', $result), "\r\n") === false) {
            return $result;
        }
        $single = [];
        foreach ($result as $line) {
            // Several lines where one should be; a line end at the end is not counted.
            $parts = preg_split('/\r*\n/', rtrim($line, "\r"));
            if (count($parts) > 1 && end($parts) === '') {
                array_pop($parts);
            }
            array_push($single, ...$parts);
        }
        return $single;
    }

    /** Asks the handlers of whole messages; the message as it goes on. */
    private function whole(Mail $mail, string $message): string
    {
        try {
            if ($this->observe) {
                $new = ($this->observe)($mail->session, $message);
                if ($new instanceof Decision) {
                    $this->judge($mail->session, $new);
                } elseif ($new !== null) {
                    throw new \TypeError('an observer cannot change the message');
                }
            }
            $new = $this->message ? ($this->message)($mail->session, $message) : null;
            if ($new === null) {
                return $message;
            }
            if (is_string($new)) {
                return self::tidy($new);
            }
            if (!$new instanceof Decision) {
                throw new \TypeError('a handler of messages returns null, a string or a decision, not ' . get_debug_type($new));
            }
            if ($new->name === 'junk') {
                return "X-Spam: Yes\r\n$message";
            }
            $this->judge($mail->session, $new);
        } catch (\Throwable $exception) {
            $mail->session->verdict = $this->failed;
            $this->failure($exception);
        }
        return $message;
    }

    private function judge(Session $session, Decision $decision): void
    {
        if ($decision->name === 'reject' || $decision->name === 'disconnect') {
            $session->verdict ??= $decision;
        } elseif ($decision->name !== 'proceed') {
            throw new \TypeError("$decision->name is no answer to a message or its lines");
        }
    }

    /** The message with CRLF at the end of each line. */
    private static function tidy(string $message): string
    {
        if (substr_count($message, "\n") !== substr_count($message, "\r\n")) {
            $message = preg_replace('/\r*\n/', "\r\n", $message);
        }
        return $message === '' || str_ends_with($message, "\r\n") ? $message : "$message\r\n";
    }
}
