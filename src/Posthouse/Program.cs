Console.Error.WriteLine("usage: posthouse serve|check|ctl|queue|sendmail|makemap|newaliases|encrypt …");
return 1;
