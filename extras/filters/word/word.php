#!/usr/bin/env php
<?php

/*
 * Refuses messages that contain a word, in capitals or not.  usage: word.php WORD
 *
 * It looks at messages as they travel: a word inside base64, or cut in two by quoted-printable, is not seen.
 */

require __DIR__ . '/../../bridges/php/posthouse.php';
use function Posthouse\reject;

if ($argc !== 2 || $argv[1] === '') {
    fwrite(STDERR, "usage: word.php WORD\n");
    exit(1);
}

// Bytes beyond ASCII belong to words, in whichever character set.
$word = '/(?<![\w\x80-\xff])' . preg_quote($argv[1], '/') . '(?![\w\x80-\xff])/i';

$filter = new Posthouse\Filter();
$filter->observe(fn ($session, $message) => preg_match($word, $message) ? reject('550 5.7.1 We do not say that word here') : null);
$filter->run();
