"""As py-opensmtpd is: wants everything there is, and strips each line of the space around it.  usage: stripping.py FOLDER"""
import plain


class Stripping(plain.Filter):
    def take(self, line):
        super().take(line.strip())


Stripping().run()
