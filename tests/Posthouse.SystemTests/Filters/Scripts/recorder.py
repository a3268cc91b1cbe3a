"""Writes down all that it is told, but for the handshake's values, in FOLDER/transcript; config lines in FOLDER/config.  usage: recorder.py FOLDER"""
import plain


class Recorder(plain.Filter):
    mark = "X-Recorded: yes"

    def register(self):
        with open(f"{self.folder}/config", "w") as config:
            config.write("\n".join(self.config) + "\n")
        super().register()

    def take(self, line):
        with open(f"{self.folder}/transcript", "a", encoding="latin-1", newline="\n") as transcript:
            transcript.write(line + "\n")
        super().take(line)


Recorder().run()
