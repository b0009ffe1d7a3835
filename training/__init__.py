"""Training of Rune's L2 model as code: from JSON lines to a quantised ONNX artefact.

The flow can be read off the modules: `rows` (labelled texts) and `spans` (where the planted part
of a known attack lies) give payloads; `attacks` and `hosts` write what the public sets lack;
`compose` plants payloads into hosts; `windows` cuts texts into token windows; `model` and `train`
fit; `mine` finds the benign windows the model gets most wrong; `calibrate` freezes thresholds on
held-out benign texts; `export` quantises and checks the result against the float model.
"""
