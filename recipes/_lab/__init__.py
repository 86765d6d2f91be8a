"""The code that all recipes share. Imports point one way, from the top of this list to the bottom.

cli                        commands, messages, exit codes
arguments                  the command line -> options, or a line on what is wrong with it
publishing/notebook        a recipe -> a Jupyter notebook
publishing/new             a new recipe of the user's: a small one to start from, or a copy
publishing/skeleton        the small one
publishing/gallery         reference runs -> recipes/results/
publishing/site            recipes and their claims -> static pages
publishing/github          recipes and their claims -> the gallery on GitHub
publishing/readme          recipes and their claims -> what is generated in README.md and docs/
publishing/markdown        texts and tables -> Markdown
publishing/pictures        figures -> smaller pictures, thumbnails
publishing/replication     runs with other seeds -> which verdicts changed
publishing/rows            a claim -> what a page shows of it: its row, its anchor, its surprise
publishing/forest          claims -> where their effects and intervals lie on one common scale
publishing/claims          recipes/results/ -> every claim with its verdicts
publishing/meta_analysis   verdicts on several data sets -> the one over all, and the pooled effect
tuning/search              a recipe's search space -> trials in stages, figures, the best model
output/terminal            progress and verdicts -> lines that a terminal shows
run                        a recipe -> its folder, its files, the saved model
predicting                 a saved model and new examples -> a file of predictions
saving                     a trained model -> a file that takes raw examples
calls                      a recipe's calls of lab, checked before anything is trained
lab                        what a recipe talks to: data, train, tune, search, claim, figure
output/report              a run -> its page, report.html
output/inspecting          what an inspection found in a user's data -> a page
output/pages               Jinja2 templates -> HTML, for the page of a run and for the site
output/understanding       what was understood of a table -> words
output/summary             results -> the table of variants and the tuned values
output/charts              results and measures -> figures
output/tensorboard         results -> event files
output/figures             numbers by seed -> lines with bands, dots with intervals
tuning/searches            what repeated searches have found, by variant and repetition
tuning/tuner               keras-tuner's tuner, whole batches of trials trained together
tuning/remarks             what to know of a search before its best trial is used
tuning/halving             several searches at once; the worse half pruned, stages that zoom in
tuning/oracles             keras-tuner's oracles, whose searches can be resumed
tuning/drawing             values -> a trial: what its model asks for beyond them is drawn
tuning/choosing            one argument of each variant, chosen on validation
tuning/start               values to try first, checked
tuning/space               scales, narrowed ranges, importance of hyperparameters
results                    what training gave, by variant and seed
inspection                 one's own data -> doubtful labels, repeated examples
scores                     predictions and labels -> accuracy, also of each class
training/models            trained models side by side: outputs of every layer, gradients, weights
training/cluster           chunks of members -> Ray
training/population        compiled Sequentials -> trained together, one graph per architecture
training/checkpoints       finished chunks -> the store of a run, and back
training/graph             one architecture as one graph
training/fitting           one member at a time, with plain fit
training/recording         what is kept of a chunk while it trains
training/loading           a member -> its model, built and with weights
training/members           what is trained, and what comes of it
training/schedules         a learning rate or a schedule -> the rate at each step
training/initial_weights   a member's initial weights, keyed by seed, layer and weight
training/stack             the outputs, losses and gradients of many models
training/layers            the forward pass of many models
training/opening           a layer made of layers -> its parts and how they are connected
training/looping           any layer, applied to one model after another
training/architecture      what must be equal to train together, what may vary
training/connections       a model -> its layers in order, and what each is given
training/identity          a layer of any kind -> what it is, to tell which are alike
training/optimizers        a step of their optimizers: clipping, decay, averages
training/update_rules      how each optimizer updates a weight
training/numerics          arithmetic that does not depend on the other models
claim                      a claim and what the runs say of it
measures                   numbers by variant and seed, and comparisons of them
evidence                   paired differences -> interval, verdict in words
catalogue                  recipes' files -> what they say of themselves
digest                     what results depend on, as one digest
data/sources               a name or a path -> examples, labels, class names
data/folders               images, one folder a class -> inputs and labels
data/new_rows              another file -> what a saved model takes
data/tables                a file with a table -> inputs and labels, and what was understood
data/smells                what smells in a table: columns that give the classes away, ...
data/target                the column that holds the classes -> labels of the rows to be used
data/columns               a column of text cells -> what it is, and its inputs to a model
data/reading               a file with a table -> columns of text cells
data/header                whether the first row holds names or an example
data/cells                 text cells -> numbers, dates
data/arrays                an .npz file -> inputs and labels
data/splits                a split for each seed, scaled by its training part
data/encoders              raw values -> inputs of a model, by the training part
data/dataset               examples in three parts
data/understood            what was understood of a table
data/wording               values in the words of an error message
seeding                    names and numbers -> seeds
files                      written whole or not at all; the folder of a run
quiet                      TensorFlow and Keras, imported without chatter
errors                     a user's mistake, said in one line
"""
