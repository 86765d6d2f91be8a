"""The kitchen of the recipes. The arrows point one way, from the top of this map to the bottom.

cli           arguments, messages, exit codes
notebook      a recipe -> a Jupyter notebook
new           a recipe -> another one of one's own
site          recipes and claims -> static pages
readme        recipes and claims -> the generated parts of README.md
ledger        recipes/results/ -> every claim with its verdicts
gallery       reference runs -> recipes/results/
terminal      progress and verdicts -> lines that a terminal shows
search        a recipe's search space -> trials in stages, figures, the best model
cluster       batches of trials -> Ray
experiment    variants x seeds -> histories, claims, files: the `lab` that a recipe talks to
tuner         keras-tuner's oracles -> whole batches of trials, trained together
space         scales, narrowed ranges, importance of hyperparameters
report        histories and claims -> table and page
figures       numbers by seed -> lines with bands, dots, histograms
markup        what all pages share
tensorboard   histories -> event files
histories     results of many members, asked by variant and seed
  models        the trained models side by side: outputs of every layer, gradients, weights
population    compiled Sequentials -> trained together, one graph per architecture
  graph         one architecture as one graph
  stack         its outputs, losses and gradients
  layers        the forward pass of many models at once
  optimizers    their update rules
  fitting       one member at a time, with plain fit
  members       what is trained, and what comes of it
  architecture  what must be equal to train together, what may vary
evidence      paired differences -> interval, verdict in words
data          a name or a path -> examples, labels, class names; the split
catalogue          recipes' files -> what they say of themselves
files         written whole or not at all; the folder of a run
quiet         TensorFlow and Keras, imported without chatter
errors        a user's mistake, said in one line
"""
