#!/usr/bin/env php
<?php

/*
 * Writes down all that a filter is told: events, requests, and messages line by line.  usage: trace.php [FILE]
 *
 * Without FILE it goes to standard error, which is the server's log.
 */

require __DIR__ . '/../../bridges/php/posthouse.php';

// What is traced is private.
umask(0077);
$out = isset($argv[1]) ? fopen($argv[1], 'a') : STDERR;
if ($out === false) {
    exit(1);
}
$write = function ($session, ...$what) use ($out) {
    fwrite($out, implode(' ', [$session->id, ...$what]) . "\n");
};

$filter = new Posthouse\Filter();

foreach (array_keys(Posthouse\PHASES) as $name) {
    $filter->on($name, function ($session, ...$parameters) use ($name, $write) {
        if ($name === 'auth') {     // what follows the mechanism may be the password
            $parameters = [explode(' ', $parameters[0])[0], '********'];
        }
        $write($session, 'request', $name, ...$parameters);
    });
}

$filter->observe(function ($session, $message) use ($write) {
    foreach (array_slice(explode("\r\n", $message), 0, -1) as $line) {
        $write($session, 'message', $line);
    }
});

$event = function ($session, $event) use ($write) {
    $write($session, $event->replayed ? 'replayed' : 'event', $event->name, ...$event->params);
};
$filter->report('*', $event);
$filter->report('*', $event, subsystem: 'smtp-out');

$filter->run();
