"""Runs a program whose standard input and output are one socket, as OpenSMTPD does, and a non-blocking one at that: over-socket.py PROGRAM ARGUMENT…"""

import os
import socket
import subprocess
import sys
import threading

ours, theirs = socket.socketpair()
theirs.setblocking(False)
program = subprocess.Popen(sys.argv[1:], stdin=theirs, stdout=theirs)
theirs.close()


def say():
    while block := os.read(0, 65536):
        ours.sendall(block)
    ours.shutdown(socket.SHUT_WR)


speaker = threading.Thread(target=say)
speaker.start()
while block := ours.recv(65536):
    while block:
        block = block[os.write(1, block):]
speaker.join()
sys.exit(program.wait())
