<?php

/* A filter for the tests of posthouse.php: sample.php WHAT. sample.py does the same. */

require __DIR__ . '/../../../../extras/bridges/php/posthouse.php';

use function Posthouse\{accept, disconnect, junk, reject, report, rewrite};

$what = $argv[1];
$filter = new Posthouse\Filter(onError: $what === 'crash' ? 'crash' : 'tempfail');
$raise = fn () => throw new RuntimeException('on purpose');

switch ($what) {
    case 'phases':
    case 'crash':
        $filter->on('connect', fn ($session, $rdns, $ip) => $rdns === 'bad.example' ? reject("554 $ip $session->src") : null);
        $filter->on(['helo', 'ehlo'], fn ($session, $identity) => rewrite(strtoupper($identity)));
        $filter->on('mail-from', function ($session, $address) use ($raise) {
            $session->senders ??= 0;
            $session->senders++;
            return match ($address) {
                'raise' => $raise(),
                'reject' => reject(),
                'disconnect' => disconnect(),
                'junk' => junk(),
                'plain' => reject('no thanks'),
                'temporary' => reject('450 4.2.0 later'),
                'forge' => reject("550 a\r\nfilter-result|b"),
                'wrong' => 'reject',
                'rewrite' => rewrite('new@example.org'),
                'form' => rewrite('<new@example.org> SIZE=1'),
                'null' => rewrite(''),
                'count' => report((string) $session->senders),
                default => accept(),
            };
        });
        $filter->on('rcpt-to', function ($session, $address) {
            $session->data['rcpt'] = ($session->data['rcpt'] ?? 0) + 1;
            return $session->data['rcpt'] > 3 ? reject() : report("<$address>");
        });
        $filter->on(['data', 'rset', 'noop'], function ($session) {
            echo "printed by $session->id\n";
        });
        $filter->on('commit', fn ($session) => junk());
        break;

    case 'lines':
        $filter->lines(fn ($session, $line) => match ($line) {
            'raise' => $raise(),
            'refuse' => reject('550 5.7.1 a line'),
            'several' => (function () {
                for ($i = 0; $i < 3; $i++) {
                    yield "part $i";
                }
            })(),
            'drop' => null,
            'twice' => [$line, $line],
            'dot' => '.',
            'dots' => '..x',
            'two' => "one\ntwo\r\n",
            'text' => "\u{e9}",
            default => $line,
        });
        break;

    case 'generator':
        $filter->lines(function ($session, $line) {
            if ($line !== 'drop') {
                yield $line;
                yield "> $line";
            }
        });
        break;

    case 'parts':
        $filter->lines(fn ($session, $line) => strtoupper($line), part: 'header');
        $filter->lines(fn ($session, $line) => strrev($line), part: 'body');
        break;

    case 'message':
        $filter->message(fn ($session, $message) => $message === '' ? null : match (explode("\r\n", $message)[0]) {
            'raise' => $raise(),
            'refuse' => reject('550 5.7.1 a message'),
            'same' => null,
            'junk' => junk(),
            'nothing' => '',
            'wrong' => rewrite('x'),
            'text' => "\u{e9}",
            default => str_replace("\r\n", "\n", $message) . ".\nno end",
        });
        break;

    case 'observe':
        $filter->observe(function ($session, $message) use ($raise) {
            if (str_contains($message, 'raise')) {
                $raise();
            }
            return str_contains($message, 'refuse') ? reject('550 ' . strlen($message) . ' bytes') : null;
        });
        break;

    case 'events':
        $text = fn ($value) => $value === null ? 'None' : (is_bool($value) ? ($value ? 'True' : 'False') : $value);
        $filter->needs('helo', 'tls', 'user', 'messageId', 'sender', 'recipients');
        $filter->report(['tx-mail', 'tx-rcpt', 'tx-commit', 'link-auth', 'link-disconnect'], function ($session, $event) use ($raise, $text) {
            if ($event->name === 'tx-commit' && $event->size === 666) {
                $raise();
            }
            echo implode('|', [$event->name, $event->subsystem, $text($event->replayed), ...$event->params]), "\n";
        });
        $filter->on('commit', fn ($session) => reject('550 ' . implode('|', array_map($text, [
            $session->rdns, $session->fcrdns, $session->src, $session->dest, $session->ip, $session->helo, $session->tls, $session->user,
            $session->messageId, $session->sender, implode(',', $session->recipients), $session->replayed]))));
        break;

    case 'bare':
        $filter->on('mail-from', fn ($session, $address) => report($session->helo));
        break;
}

$filter->run();
