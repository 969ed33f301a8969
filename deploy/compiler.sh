# Sourced from the root of the sources: what compiles them, for which kind of machine, and where the
# profile for the two is kept.
host=$(rustc -vV | sed -n 's/^host: //p')
release=$(rustc -vV | sed -n 's/^release: //p')
kept=deploy/profile/$release-$host.profdata.gz
