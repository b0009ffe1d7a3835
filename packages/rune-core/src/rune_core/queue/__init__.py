"""The way of an event out of the process: front, worker, sinks; spool and sender for a server.

::

    scan's thread          worker's thread                sender's thread
    draft ──> Front ──> build, mask ──> every sink
                                        └ HttpSink ──> Spool ──> Sender ──> server

Nothing here blocks or raises into the thread of a scan, and what is lost is counted by reason.
"""
