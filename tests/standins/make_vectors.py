#!/usr/bin/python3
"""Writes vectors/*.bin, which are checked in: frames as a listener sends
them, for readers that are not to be tested with their own writer."""

import os

import frames

ODD = (
    '\ufeff { "JOBID" : {"t":0}, "jobid": "odd-job" ,"jobdisplayname":'
    '"half \\ud83e pair, tab\\t \\u0065nd", "contextdata":{"other":{"t":2,"d":'
    '[{"k":"repository","v":"no/no"}]},"GitHub":{"d":['
    '{"v":{"t":0,"s":"octo/odd"},"k":"Repository"},'
    '{"k":"run_id","v":{"t":4,"n":77}},{"k":"actor","v":null},'
    '{"k":"run_attempt","v":3},{"k":"sha"},{"v":"lost"},7,"x",[]],"t":5}},'
    '"end":[{},[],-1.5e3,true,false,null,""]}\n')

VECTORS = {
    "job-small.bin": frames.frame(frames.JOB, frames.text(frames.job())),
    "job-odd.bin": frames.frame(frames.JOB, ODD),
    "cancel.bin": frames.frame(frames.CANCEL),
    "shutdown.bin": frames.frame(frames.SHUTDOWN),
    "os-shutdown.bin": frames.frame(frames.OS_SHUTDOWN),
}

if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    for name, data in VECTORS.items():
        with open(os.path.join(here, "vectors", name), "wb") as file:
            file.write(data)
